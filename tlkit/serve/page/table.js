// The results as CSV.

// A cell that a spreadsheet would take for a formula gets an apostrophe in front, as in all tables of tlkit.
function cell(value) {
  let text = value === null || value === undefined ? "" : String(value);
  if (typeof value === "string" && /^'*[=+\-@\t\r]/.test(text) && !/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text)) text = `'${text}`;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

export function csvOf(model, results) {
  const masks = model.task === "segmentation";
  const said = masks ? ["width", "height"]
    : ["label", "probability", ...(model.unknown === null ? [] : ["unknown", "p_value"]), ...(model.set === null ? [] : ["set"])];
  const rows = [["image", ...said, ...model.classes, "error"]];
  for (const each of results) {
    const shares = (masks ? each.shares : each.probabilities) || {};
    const values = said.map((name) => (name === "set" ? (each.set || []).join("|") : each[name]));
    rows.push([each.name, ...values, ...model.classes.map((name) => shares[name]), each.error]);
  }
  return rows.map((row) => row.map(cell).join(",") + "\r\n").join("");
}

export function download(name, text) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob(["\ufeff", text], { type: "text/csv" }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}
