// The page: takes images, asks the server, shows the last ten answers.

import { setUpCamera } from "/page/camera.js";
import { Card, sentence } from "/page/card.js";
import { Denied, ask, readToken, send, setToken } from "/page/net.js";
import { csvOf, download } from "/page/table.js";

const SHOWN = 10;
const AT_ONCE = 4;
const find = (name) => document.getElementById(name);
const cards = [];
const results = [];
const waiting = [];
let working = 0;
let model = null;

const megabytes = (bytes) => `${Math.round(bytes / 1e5) / 10} MB`;

async function begin() {
  try {
    model = await ask("/model");
  } catch (error) {
    find("login").hidden = !(error instanceof Denied);
    find("about").textContent = error instanceof Denied ? "" : error.message;
    return error;
  }
  const [height, width] = model.image_size;
  const count = model.classes.length;
  document.title = `${model.name} – tlkit serve`;
  find("model").textContent = model.name;
  find("about").textContent = model.task === "segmentation"
    ? `Finds ${count} classes in photos, pixel by pixel; it sees ${width} × ${height} pixels.`
    : `Tells ${count} classes apart; it sees ${width} × ${height} pixels.`;
  find("about").textContent += ` Computed by ${model.engine}.`;
  find("limits").textContent = `At most ${megabytes(model.limits.image_bytes)} and ${Math.round(model.limits.pixels / 1e6)} megapixels each.`;
  find("version").textContent = model.version;
  find("opacity-row").hidden = model.task !== "segmentation";
  find("login").hidden = true;
  find("try").hidden = false;
  return null;
}

function give(files) {
  find("problem").textContent = "";
  const images = [...files];
  for (const file of images) {
    const card = new Card(file, model, { remove, explain: (each, name, signal) => send(`/explain?class=${encodeURIComponent(name)}`, each, signal) });
    cards.unshift(card);
    find("results").prepend(card.element);
    if (file.size > model.limits.image_bytes) {
      finish(card, { name: file.name, error: `too large: ${megabytes(file.size)}; at most ${megabytes(model.limits.image_bytes)} are taken` });
    } else {
      waiting.push(card);
    }
  }
  while (cards.length > SHOWN) forget(cards.at(-1));
  changed();
  work();
}

function work() {
  while (working < AT_ONCE && waiting.length) {
    working++;
    predict(waiting.shift()).finally(() => { working--; work(); });
  }
}

async function predict(card) {
  find("status").textContent = `Predicting ${card.file.name}…`;
  try {
    const values = await send(model.task === "segmentation" ? "/predict?mask=true" : "/predict", card.file, card.abort.signal);
    finish(card, values.predictions[0]);
  } catch (error) {
    if (card.abort.signal.aborted) return;
    finish(card, { name: card.file.name, error: error.message });
  }
}

function finish(card, answer) {
  results.push({ ...answer, mask: undefined });
  if (answer.error) card.fail(answer.error);
  else card.show(answer);
  find("status").textContent = answer.error ? `${card.file.name}: could not be predicted.` : `${card.file.name}: ${sentence(answer, model)}`;
  changed();
}

// Takes a card off the page when there are newer ones; its answer stays in the table, and is still asked for.
function forget(card) {
  cards.splice(cards.indexOf(card), 1);
  card.element.remove();
  URL.revokeObjectURL(card.url);
}

function remove(card) {
  const place = cards.indexOf(card);
  if (place >= 0) cards.splice(place, 1);
  if (waiting.includes(card)) waiting.splice(waiting.indexOf(card), 1);
  card.close();
  changed();
  (cards[Math.min(place, cards.length - 1)]?.element.querySelector(".head button") || find("files")).focus();
}

function changed() {
  find("none").hidden = cards.length > 0;
  find("csv").disabled = results.length === 0;
  find("clear").disabled = cards.length === 0 && results.length === 0;
}

function setUp() {
  const drop = find("drop");
  document.addEventListener("dragover", (event) => { event.preventDefault(); drop.classList.add("over"); });
  document.addEventListener("dragleave", (event) => { if (!event.relatedTarget) drop.classList.remove("over"); });
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    drop.classList.remove("over");
    if (!model) return;
    if (event.dataTransfer.files.length) give(event.dataTransfer.files);
    else find("problem").textContent = "That was no file; drop a photo from a folder.";
  });
  document.addEventListener("paste", (event) => {
    if (!model || event.target.closest?.("input[type=password]")) return;
    const files = [...event.clipboardData.files];
    if (files.length) give(files);
    else find("problem").textContent = "There is no picture on the clipboard.";
  });
  find("files").addEventListener("change", () => { give(find("files").files); find("files").value = ""; });
  setUpCamera(find("camera"), find("capture"), give);
  find("opacity").addEventListener("input", () => document.documentElement.style.setProperty("--opacity", find("opacity").value / 100));
  find("csv").addEventListener("click", () => download("predictions.csv", csvOf(model, results)));
  find("clear").addEventListener("click", () => {
    waiting.length = results.length = 0;
    for (const card of cards.splice(0)) card.close();
    find("status").textContent = "";
    changed();
    find("files").focus();
  });
  find("login").addEventListener("submit", async (event) => {
    event.preventDefault();
    setToken(find("token").value);
    const error = await begin();
    find("denied").textContent = error ? "This is not the server's token." : "";
  });
}

readToken();
setUp();
begin();
