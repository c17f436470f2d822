// One image and its answer. Every text is set as text, never as markup: names come from strangers.

const SHOWN = 5;

export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "class") element.className = value;
    else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

const percent = (share) => share === null ? "–" : `${(100 * share).toFixed(share > 0 && share < 0.001 ? 2 : 1)} %`;

function bar([name, share], place, model) {
  const fill = make("div", { class: "fill" });
  fill.style.width = `${100 * (share || 0)}%`;
  const label = make("span", {});
  if (model.task === "segmentation") {
    const [red, green, blue] = model.colors[model.classes.indexOf(name)];
    const swatch = make("span", { class: "swatch" });
    fill.style.background = swatch.style.background = `rgb(${red} ${green} ${blue})`;
    label.append(swatch);
  }
  label.append(name);
  const line = make("div", { class: "line" }, label, make("span", { class: "value" }, percent(share)));
  return make("li", { class: place === 0 ? "first" : "" }, line, make("div", { class: "track", "aria-hidden": "true" }, fill));
}

function bars(shares, model) {
  const sorted = Object.entries(shares).sort((one, other) => other[1] - one[1]);
  const list = make("div", { class: "bars" });
  list.append(make("ul", {}, ...sorted.slice(0, SHOWN).map((each, place) => bar(each, place, model))));
  const rest = sorted.slice(SHOWN);
  if (rest.length) {
    const more = make("details", {}, make("summary", {}, `${rest.length} more classes`));
    more.addEventListener("toggle", () => {
      if (more.open && more.children.length === 1) more.append(make("ul", {}, ...rest.map((each) => bar(each, 1, model))));
    });
    list.append(more);
  }
  return list;
}

// What is said of a prediction in a sentence, for the status line and the picture's description.
export function sentence(answer, model) {
  if (model.task === "segmentation") {
    const found = Object.entries(answer.shares).filter(([, share]) => share).sort((one, other) => other[1] - one[1]);
    return found.slice(0, 3).map(([name, share]) => `${name} ${percent(share)}`).join(", ");
  }
  const label = answer.labels.length ? answer.labels.join(", ") : "no label";
  const share = answer.probability === null ? "" : `, ${percent(answer.probability)}`;
  return `${answer.unknown ? "unknown; nearest: " : ""}${label}${share}`;
}

export class Card {
  constructor(file, model, { remove, explain }) {
    this.file = file;
    this.model = model;
    this.url = URL.createObjectURL(file);
    this.abort = new AbortController();
    this.explain = explain;
    this.image = make("img", { class: "given", src: this.url, alt: file.name });
    this.photo = make("div", { class: model.orientation === "stored" ? "photo stored" : "photo" }, this.image);
    this.image.addEventListener("error", () => {
      this.image.replaceWith(make("p", {}, "Browsers can't show this file."));
      this.photo.classList.add("alone");
    });
    const close = make("button", { type: "button", "aria-label": `Remove ${file.name}`, onclick: () => remove(this) }, "×");
    this.body = make("div", {}, make("p", { class: "busy" }, "Predicting…"));
    this.element = make("li", {}, this.photo, make("div", { class: "head" }, make("h3", {}, file.name), close), this.body);
    this.timer = setTimeout(() => this.wait("Still predicting: the server is busy, or the model is large…"), 4000);
  }

  wait(text) {
    const busy = this.body.querySelector(".busy");
    if (busy) busy.textContent = text;
  }

  fail(reason) {
    clearTimeout(this.timer);
    const start = `${this.file.name}: `;
    this.body.replaceChildren(make("p", { class: "problem" }, reason.startsWith(start) ? reason.slice(start.length) : reason));
  }

  show(answer) {
    clearTimeout(this.timer);
    const model = this.model;
    this.image.alt = `${this.file.name}: ${sentence(answer, model)}`;
    this.body.replaceChildren();
    if (answer.unknown) this.body.append(make("p", {}, make("span", { class: "badge" }, "unknown"), " unlike the images that the model knows"));
    this.body.append(bars(model.task === "segmentation" ? answer.shares : answer.probabilities, model));
    if (answer.set && !answer.unknown) {
      const names = answer.set.length ? answer.set.join(", ") : "none";
      this.body.append(make("p", { class: "note" }, `Set that is right in ${Math.round(1000 * model.set) / 10} % of cases: ${names}`));
    }
    if (answer.mask) {
      this.photo.append(make("img", { class: "over mask", src: `data:image/png;base64,${answer.mask}`, alt: "Predicted mask" }));
    }
    if (model.explain) this.body.append(this.tools(answer));
  }

  // The button that draws where the model looks, and the class that it is asked about.
  tools(answer) {
    const shares = answer.probabilities || answer.shares;
    const last = ([name]) => (name === this.model.background ? 1 : 0);
    const names = Object.entries(shares).filter(([, share]) => share)
      .sort((one, other) => last(one) - last(other) || other[1] - one[1]).slice(0, SHOWN);
    const choice = make("select", { "aria-label": "Class to explain" }, ...names.map(([name]) => make("option", {}, name)));
    names.forEach(([name], place) => { choice.options[place].value = name; });
    const button = make("button", { type: "button", "aria-pressed": "false" }, "Where it looks");
    const note = make("p", { class: "note", role: "status" });
    let heat = null;
    const hide = () => { heat?.remove(); heat = null; note.textContent = ""; button.setAttribute("aria-pressed", "false"); };
    const draw = async () => {
      button.disabled = true;
      note.className = "note busy";
      note.textContent = "Looking… the first time starts TensorFlow, which takes some seconds.";
      try {
        const drawn = await this.explain(this.file, choice.value, this.abort.signal);
        hide();
        heat = make("img", { class: "over heat", src: `data:image/png;base64,${drawn.picture}`, alt: `What speaks for ${drawn.class}, by Grad-CAM` });
        this.photo.append(heat);
        button.setAttribute("aria-pressed", "true");
        note.textContent = `Bright: what speaks for ${drawn.class} (Grad-CAM of ${drawn.layer}).`;
      } catch (error) {
        note.textContent = error.message;
      }
      note.className = "note";
      button.disabled = false;
    };
    button.addEventListener("click", () => (heat ? hide() : draw()));
    choice.addEventListener("change", () => { if (heat) draw(); });
    return make("div", { class: "tools" }, make("div", { class: "row" }, button, choice), note);
  }

  close() {
    clearTimeout(this.timer);
    this.abort.abort();
    URL.revokeObjectURL(this.url);
    this.element.remove();
  }
}
