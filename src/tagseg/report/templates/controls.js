// What report and comparison share: the page's data, its settings, and the controls that change them.

const data = JSON.parse(document.getElementById("page-data").textContent);
const byId = (id) => document.getElementById(id);

function remember(key, value) {
  try {
    localStorage.setItem(`tagseg-${key}`, value);
  } catch {
    // Then it is forgotten when the page closes.
  }
}

function recall(key) {
  try {
    return localStorage.getItem(`tagseg-${key}`);
  } catch {
    return null;
  }
}

// Collects changes and tells the listeners once a frame, however fast a slider moves.
class Settings {
  #changed = new Set();
  #listeners = [];

  constructor(values) {
    this.values = values;
  }

  get(name) {
    return this.values[name];
  }

  set(name, value) {
    if (this.values[name] === value) return;
    this.values[name] = value;
    if (this.#changed.size === 0) requestAnimationFrame(() => this.#tell());
    this.#changed.add(name);
  }

  onChange(listener) {
    this.#listeners.push(listener);
  }

  #tell() {
    const changed = this.#changed;
    this.#changed = new Set();
    for (const listener of this.#listeners) listener(changed);
  }
}

const formatPercent = (share, digits = 1) => (share === null || share === undefined ? "n/a" : `${(100 * share).toFixed(digits)} %`);
const formatScore = (score) => Number(score).toFixed(2);

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined && value !== false) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children);
  return made;
}

// A name that was written from right to left must not turn what stands beside it.
const isolated = (text) => element("bdi", {}, text);

function startTheme() {
  const button = byId("theme");
  const show = () => button.setAttribute("aria-pressed", String(document.documentElement.dataset.theme === "dark"));
  button.addEventListener("click", () => {
    const theme = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
    document.documentElement.dataset.theme = theme;
    remember("theme", theme);
    show();
  });
  show();
}

// Every slider of the background score shows the same value.
function startScoreSliders(settings) {
  const sliders = document.querySelectorAll("input[data-control=background-score]");
  const show = () => {
    const score = formatScore(settings.get("score"));
    for (const slider of sliders) if (Number(slider.value) !== Number(score)) slider.value = score;
    for (const output of document.querySelectorAll("[data-shows=background-score]")) output.textContent = score;
    for (const cursor of document.querySelectorAll(".mark.cursor")) {
      cursor.setAttribute("x1", `${100 * settings.get("score")}%`);
      cursor.setAttribute("x2", `${100 * settings.get("score")}%`);
    }
  };
  for (const slider of sliders) slider.addEventListener("input", () => settings.set("score", Number(slider.value)));
  settings.onChange((changed) => changed.has("score") && show());
  show();
}

function startSelect(id, settings, name, { stored = false } = {}) {
  const select = byId(id);
  if (!select) return;
  const before = stored ? recall(id) : null;
  if (before && [...select.options].some((option) => option.value === before)) select.value = before;
  settings.values[name] = select.value;
  select.addEventListener("change", () => {
    if (stored) remember(id, select.value);
    settings.set(name, select.value);
  });
}

// Shows the template of what is chosen: `matrix` with the value `seeds` shows the template `matrix-seeds`.
function startChoice(selectId, boxId) {
  const select = byId(selectId);
  if (!select) return;
  const show = () => byId(boxId).replaceChildren(byId(`${boxId}-${select.value}`).content.cloneNode(true));
  select.addEventListener("change", show);
  show();
}

function startOpacity() {
  const slider = byId("opacity");
  if (!slider) return;
  const show = () => {
    document.documentElement.style.setProperty("--opacity", slider.value);
    byId("opacity-value").textContent = `${Math.round(100 * slider.value)} %`;
  };
  slider.addEventListener("input", show);
  show();
}

function startLegend(settings) {
  const list = byId("legend");
  if (!list) return;
  const show = () => {
    for (const entry of list.querySelectorAll("[data-label]")) {
      entry.style.setProperty("--swatch", data.palettes[settings.get("palette")][entry.dataset.label]);
    }
  };
  settings.onChange((changed) => changed.has("palette") && show());
  show();
}

function tagChip(label, settings) {
  const swatch = element("span", { class: "swatch", "data-label": label });
  swatch.style.setProperty("--swatch", data.palettes[settings.get("palette")][label]);
  return [swatch, isolated(data.labels[label])];
}

function paintSwatches(root, settings) {
  for (const swatch of root.querySelectorAll(".swatch[data-label]")) {
    swatch.style.setProperty("--swatch", data.palettes[settings.get("palette")][swatch.dataset.label]);
  }
}

// The mean IoU of a sweep at a background score: its own value where it was swept, mixed from its neighbours between.
function sweptMeanIou(sweep, score) {
  const points = sweep?.points ?? [];
  const same = points.find(([at]) => Math.abs(at - score) < 1e-9);
  if (same) return { value: same[1], state: "swept" };
  const after = points.findIndex(([at]) => at > score);
  if (after <= 0) return { value: null, state: "outside" };
  const [[lowAt, low], [highAt, high]] = [points[after - 1], points[after]];
  if (low === null || high === null) return { value: null, state: "outside" };
  return { value: low + ((score - lowAt) / (highAt - lowAt)) * (high - low), state: "between" };
}

function showSweptMeanIou(output, sweep, score) {
  const { value, state } = sweptMeanIou(sweep, score);
  output.dataset.state = state;
  output.dataset.value = value === null ? "" : String(100 * value);
  if (state === "outside") output.textContent = "not swept";
  else output.textContent = `${state === "between" ? "≈ " : ""}${formatPercent(value)}`;
}
