// What the model says of a scan, beside what the reader said.

const PER_CENT = new Intl.NumberFormat(undefined, { style: "percent", maximumFractionDigits: 0 });

/** An element with attributes and children; text is text, never markup. */
export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === true) made.setAttribute(key, "");
    else if (value !== false && value !== null) made.setAttribute(key, value);
  }
  made.append(...children.filter((child) => child !== null));
  return made;
}

/** The labels of an answer in words. */
export function words(said) {
  if (said.act === "unsure" || (said.act === "correction" && said.labels === null)) return "unsure";
  if (said.act === "skip") return "left to others";
  return said.labels.length ? said.labels.join(", ") : "none of the classes";
}

/** What the model would answer, exclusive classes: the likeliest; else all above one half. */
export function likeliest(view, kind) {
  const entries = Object.entries(view.probabilities ?? {});
  if (!entries.length) return null;
  if (kind === "independent") return entries.filter(([, p]) => p >= 0.5).map(([name]) => name);
  return [entries.reduce((best, one) => (one[1] > best[1] ? one : best))[0]];
}

/** The bars, whether reader and model agree, and why the scan was chosen. */
export function describe(view, said, kind) {
  const found = document.createDocumentFragment();
  const answer = likeliest(view, kind);
  if (!answer) found.append(element("p", { class: "soft" }, "No model has looked at this scan."));
  else {
    if (said?.act === "answer") found.append(verdict(answer, said.labels));
    found.append(bars(view, said));
  }
  const reasons = why(view.why);
  if (reasons.length) {
    const rows = reasons.map(([name, value]) =>
      element("div", {}, element("dt", {}, name), element("dd", {}, value)),
    );
    const summary = element("summary", {}, "Why this scan was chosen");
    found.append(element("details", {}, summary, element("dl", { class: "why" }, ...rows)));
  }
  return found;
}

function verdict(answer, labels) {
  const same = answer.length === labels.length && answer.every((name) => labels.includes(name));
  const text = same ? "The model says the same." : "You and the model differ.";
  return element("p", { class: same ? "same" : "differs" }, text);
}

function bars(view, said) {
  const rows = Object.entries(view.probabilities).map(([name, p]) => {
    const yours = said?.labels?.includes(name);
    const label = element("th", { scope: "row" }, name, yours ? element("b", {}, " (you)") : null);
    const bar = element("meter", { min: 0, max: 1, value: p, "aria-hidden": "true" });
    const cell = element("td", { class: "share" }, PER_CENT.format(p));
    return element("tr", { class: yours ? "yours" : null }, label, element("td", {}, bar), cell);
  });
  const caption = `What the model thinks${view.model ? ` (${named(view.model)})` : ""}`;
  return element(
    "table",
    { class: "bars" },
    element("caption", {}, caption),
    element("tbody", {}, ...rows),
  );
}

/** A run of a campaign as people call it. */
function named(model) {
  const round = /^rounds\/0*(\d+)\/run$/.exec(model);
  return round ? `round ${round[1]}` : model;
}

/** Name and value of each reason, as text. */
function why(reasons) {
  return Object.entries(reasons ?? {}).map(([name, value]) => [
    name.replaceAll("_", " "),
    shown(value),
  ]);
}

function shown(value) {
  if (typeof value === "number") return String(Number(value.toPrecision(3)));
  if (Array.isArray(value)) return value.map(shown).join(", ");
  if (value && typeof value === "object") {
    if ("label" in value && "distance" in value) return `${value.label} (${shown(value.distance)} away)`;
    return Object.entries(value).map(([key, one]) => `${key.replaceAll("_", " ")} ${shown(one)}`).join(", ");
  }
  return String(value);
}
