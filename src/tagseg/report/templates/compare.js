// The same images of several runs: photo, truth, and one chosen map or mask a run.

// What one run shows: its own maps where it lacks the wanted ones, and its own best score if that is wanted.
class RunSettings {
  constructor(run, settings) {
    this.run = run;
    this.settings = settings;
    this.kinds = new Set(run.images.flatMap((image) => Object.keys(image.cams)));
  }

  get(name) {
    if (name === "maps") return this.#maps();
    if (name === "score" && this.settings.get("ownBest")) return this.#sweep()?.best ?? this.settings.get("score");
    return this.settings.get(name);
  }

  #maps() {
    const wanted = this.settings.get("maps");
    return this.kinds.has(wanted) || this.kinds.size === 0 ? wanted : [...this.kinds][0];
  }

  #sweep() {
    return this.run.sweeps[this.#maps()];
  }

  show(output) {
    output.dataset.maps = this.#maps();
    output.dataset.score = this.get("score");
    showSweptMeanIou(output, this.#sweep(), this.get("score"));
    output.append(` at ${formatScore(this.get("score"))}`);
  }
}

// One image in every run: photo, truth, and the chosen layer of each.
class RunTiles {
  constructor(position, settings, runs) {
    this.image = data.images[position];
    this.settings = settings;
    const photo = toUrl(this.image.photo, "jpeg");
    const kinds = this.image.labels.truth ? ["photo", "truth"] : ["photo"];
    this.shared = new TileSet(new Pictures(this.image), settings);
    this.figures = kinds.map((kind) => this.shared.add(makeTile(this.shared.pictures, photo, { kind, title: TILE_TITLES[kind] })));
    this.runs = runs.map((runSettings) => this.#column(runSettings, position, photo));
  }

  #column(runSettings, position, photo) {
    const own = runSettings.run.images[position];
    const labels = { ...own.labels, ...this.image.labels };
    const pictures = new Pictures({ size: this.image.size, cams: own.cams, labels });
    const tiles = new TileSet(pictures, runSettings);
    const tile = makeTile(pictures, photo, { kind: "seed", title: "" });
    const caption = tile.figure.querySelector("figcaption");
    const score = element("span", { class: "note tile-score" });
    caption.append(isolated(runSettings.run.title), " ", score);
    this.figures.push(tiles.add(tile));
    return { image: own, tiles, score, run: runSettings.run };
  }

  load() {
    return Promise.all([this.shared, ...this.runs.map(({ tiles }) => tiles)].map(({ pictures }) => pictures.load()));
  }

  draw(changed) {
    this.shared.draw(changed);
    const layer = this.settings.get("layer");
    const wanted = Number(this.settings.get("cam"));
    for (const { tiles, score, image, run } of this.runs) {
      const [tile] = tiles.tiles;
      tile.kind = layer;
      tile.canvas.dataset.kind = layer;
      tile.label = this.image.tags.includes(wanted) ? wanted : 0;
      tiles.draw(changed?.has("layer") ? null : changed);
      const live = layer === "seed" ? tiles.seedMeanIou() : null;
      score.dataset.value = live === null ? "" : String(100 * live);
      score.textContent = live !== null ? formatPercent(live) : savedScore(layer, image, run);
    }
  }

  // The scores stand below the pictures.
  scores() {
    const own = this.settings.get("layer") === "seed" && this.settings.get("ownBest");
    return own ? ["each run at its own best background score"] : [];
  }
}

class CompareCard {
  constructor(position, settings, runs, openViewer) {
    this.image = data.images[position];
    this.settings = settings;
    this.enlarged = () => new RunTiles(position, settings, runs);
    this.tiles = this.enlarged();
    const chips = this.image.tags.map((label) => element("span", { class: "chip" }, ...tagChip(label, settings)));
    this.opener = makeOpener(this, openViewer);
    const head = element("header", {}, element("h3", {}, isolated(this.image.id)), element("div", { class: "chips" }, ...chips), this.opener);
    const strip = element("div", { class: "tiles runs" }, ...this.tiles.figures);
    strip.style.setProperty("--columns", this.tiles.figures.length);
    strip.addEventListener("click", () => openViewer(this));
    this.element = element("article", { class: "card", "data-image-id": this.image.id }, head, strip);
  }

  // Between the last run and the first, of what the gallery scores; 0 where either has no score.
  get gain() {
    const scores = this.tiles.runs.map(({ image }) => image.miou);
    const [first, last] = [scores[0], scores[scores.length - 1]];
    return first === null || last === null ? 0 : last - first;
  }

  async show() {
    await this.tiles.load();
    this.visible = true;
    this.update(null);
  }

  update(changed) {
    if (changed?.has("palette")) paintSwatches(this.element, this.settings);
    if (this.visible) this.tiles.draw(changed);
  }
}

// The score that the run saved, beside the layer that it is of.
function savedScore(layer, image, run) {
  const scored = { mask: "pseudo mask", prediction: "prediction", seed: "seed" }[layer];
  return image.miou !== null && scored === run.galleryScore ? formatPercent(image.miou) : "";
}

const COMPARE_ORDERS = {
  id: (cards) => cards,
  gain: (cards) => [...cards].sort((a, b) => b.gain - a.gain),
  loss: (cards) => [...cards].sort((a, b) => a.gain - b.gain),
};

class CompareGallery {
  constructor(settings, runs, openViewer) {
    this.settings = settings;
    this.cards = data.images.map((_, position) => new CompareCard(position, settings, runs, openViewer));
    drawWhenNear(this.cards);
    this.arrange();
  }

  arrange() {
    const label = Number(this.settings.get("class"));
    const chosen = this.cards.filter(({ image }) => !label || image.tags.includes(label));
    this.shown = COMPARE_ORDERS[this.settings.get("sort")](chosen);
    listCards(this.shown, this.cards);
  }

  update(changed) {
    if (changed.has("sort") || changed.has("class")) this.arrange();
    for (const card of this.cards) card.update(changed);
  }
}

function startOwnBest(settings) {
  const box = byId("own-best");
  if (!box) return;
  box.addEventListener("change", () => settings.set("ownBest", box.checked));
  for (const slider of document.querySelectorAll("input[data-control=background-score]")) {
    slider.addEventListener("input", () => {
      box.checked = false;
      settings.set("ownBest", false);
    });
  }
  settings.values.ownBest = box.checked;
}

function startComparison() {
  const settings = new Settings({ score: 0.25, maps: "network", palette: "voc", sort: "id", class: "", cam: "", layer: "seed", ownBest: false });
  startTheme();
  startChoice("class-choice", "class-differences");
  startSelect("layer", settings, "layer");
  startSelect("maps", settings, "maps");
  startSelect("cam-class", settings, "cam");
  startSelect("sort", settings, "sort");
  startSelect("filter-class", settings, "class");
  startSelect("palette", settings, "palette", { stored: true });
  startOwnBest(settings);
  const runs = data.runs.map((run) => new RunSettings(run, settings));
  const firstSweep = data.runs[0].sweeps[settings.get("maps")] ?? Object.values(data.runs[0].sweeps)[0];
  settings.values.score = Number(formatScore(firstSweep?.best ?? 0.25));
  startScoreSliders(settings);
  startOpacity();
  startLegend(settings);
  const showScores = () => {
    for (const output of document.querySelectorAll(".run-score")) runs[output.dataset.run].show(output);
  };
  showScores();
  if (!data.images.length) return;
  const viewer = new Viewer(settings);
  const gallery = new CompareGallery(settings, runs, (card) => viewer.open(card, gallery.shown));
  settings.onChange((changed) => {
    // What a run shows depends on all three together.
    if (changed.has("ownBest")) changed.add("score");
    showScores();
    gallery.update(changed);
    viewer.update(changed);
  });
}

startComparison();
