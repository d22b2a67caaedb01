// The gallery of a report: cards in a chosen order, drawn when they come into view, and a viewer of one image.

const SHUFFLE_SEED = 20240111;

// The same order at every visit: a small generator of its own, as Math.random takes no seed.
function shuffled(items) {
  let state = SHUFFLE_SEED;
  const next = () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
  const order = [...items];
  for (let last = order.length - 1; last > 0; last--) {
    const other = Math.floor(next() * (last + 1));
    [order[last], order[other]] = [order[other], order[last]];
  }
  return order;
}

const known = (value, missing) => (value === null ? missing : value);

const ORDERS = {
  worst: (cards) => [...cards].sort((a, b) => known(a.image.miou, 2) - known(b.image.miou, 2)),
  best: (cards) => [...cards].sort((a, b) => known(b.image.miou, -1) - known(a.image.miou, -1)),
  uncertain: (cards) => [...cards].sort((a, b) => known(b.image.uncertainty, -1) - known(a.image.uncertainty, -1)),
  random: shuffled,
  id: (cards) => [...cards],
};

class Card {
  constructor(image, settings, kinds, openViewer) {
    this.image = image;
    this.settings = settings;
    this.pictures = new Pictures(image);
    this.photo = toUrl(image.photo, "jpeg");
    this.chosen = 0;
    this.tiles = new TileSet(this.pictures, settings);
    this.element = this.#build(kinds, openViewer);
  }

  #build(kinds, openViewer) {
    const { image } = this;
    this.live = element("span", { class: "live-miou", "data-value": "" });
    this.chips = image.tags.map((label) => {
      const chip = element("button", { type: "button", class: "chip", "aria-pressed": "false" }, ...tagChip(label, this.settings));
      chip.title = "Show the CAM of this class";
      chip.addEventListener("click", () => this.choose(this.chosen === label ? 0 : label));
      return chip;
    });
    this.opener = makeOpener(this, openViewer);
    this.strip = element("div", { class: "tiles" });
    this.strip.style.setProperty("--columns", Math.min(kinds.length, 8));
    this.strip.addEventListener("click", () => openViewer(this));
    for (const kind of kinds) {
      const tile = makeTile(this.pictures, this.photo, { kind, title: TILE_TITLES[kind] });
      if (kind === "cam") this.camCaption = tile.figure.querySelector("figcaption");
      this.strip.append(this.tiles.add(tile));
    }
    const head = element("header", {}, element("h3", {}, isolated(image.id)), element("div", { class: "chips" }, ...this.chips));
    const facts = element("p", { class: "facts" }, ...this.#facts(), this.live);
    head.append(facts, this.opener);
    return element("article", { class: "card", "data-image-id": image.id, "data-miou": image.miou }, head, this.strip);
  }

  #facts() {
    const { image } = this;
    const facts = [];
    if (image.why.length) facts.push(element("span", {}, image.why.join(", ")));
    if (image.miou !== null) facts.push(element("span", {}, `${data.galleryScore} ${formatPercent(image.miou)}`));
    if (image.uncertainty !== null) facts.push(element("span", {}, `uncertainty ${image.uncertainty.toFixed(2)}`));
    return facts;
  }

  async show() {
    await this.pictures.load();
    this.visible = true;
    this.choose(this.chosen || this.#chosenByAll());
    this.update(null);
  }

  #chosenByAll() {
    const wanted = Number(this.settings.get("cam"));
    return this.image.tags.includes(wanted) ? wanted : 0;
  }

  choose(label) {
    this.chosen = label;
    this.chips.forEach((chip, index) => chip.setAttribute("aria-pressed", String(this.image.tags[index] === label)));
    if (!this.camCaption) return;
    const tile = this.tiles.tiles.find(({ kind }) => kind === "cam");
    tile.label = label;
    this.camCaption.replaceChildren(TILE_TITLES.cam, " ", element("span", { class: "note" }, label ? isolated(data.labels[label]) : "all tags"));
    this.tiles.draw(new Set(["cam"]));
  }

  enlarged() {
    return new EnlargedImage(this);
  }

  update(changed) {
    if (changed?.has("cam")) this.choose(this.#chosenByAll());
    if (changed?.has("palette")) paintSwatches(this.element, this.settings);
    if (!this.visible) return;
    this.tiles.draw(changed);
    if (!changed || changed.has("score") || changed.has("maps")) this.#showLive();
  }

  #showLive() {
    const value = this.tiles.seedMeanIou();
    this.live.dataset.value = value === null ? "" : String(100 * value);
    this.live.textContent = value === null ? "" : `seed at ${formatScore(this.settings.get("score"))}: ${formatPercent(value)}`;
  }
}

// Every map and mask of an image, for the viewer.
class EnlargedImage {
  constructor({ image, pictures, photo, settings }) {
    this.image = image;
    this.settings = settings;
    this.tiles = new TileSet(pictures, settings);
    this.figures = [];
    for (const kind of presentKinds([image])) {
      for (const label of kind === "cam" ? image.tags : [0]) {
        const note = kind === "cam" ? data.labels[label] : "";
        this.figures.push(this.tiles.add(makeTile(pictures, photo, { kind, title: TILE_TITLES[kind], note }), label));
      }
    }
  }

  load() {
    return this.tiles.pictures.load();
  }

  draw(changed) {
    this.tiles.draw(changed);
  }

  scores() {
    const parts = this.image.miou === null ? [] : [`${data.galleryScore} ${formatPercent(this.image.miou)}`];
    const live = this.tiles.pictures.ready ? this.tiles.seedMeanIou() : null;
    return live === null ? parts : [...parts, `seed at ${formatScore(this.settings.get("score"))}: ${formatPercent(live)}`];
  }
}

// Kinds of tiles that at least one image has, in the order of the pipeline.
function presentKinds(images) {
  const hasCam = images.some((image) => Object.keys(image.cams).length);
  const labels = LABEL_KINDS.filter((kind) => images.some((image) => kind in image.labels));
  return ["photo", ...(hasCam ? ["cam", "seed"] : []), ...labels];
}

class Gallery {
  constructor(settings, openViewer) {
    this.settings = settings;
    this.kinds = presentKinds(data.images);
    this.cards = data.images.map((image) => new Card(image, settings, this.kinds, openViewer));
    drawWhenNear(this.cards);
    this.arrange();
  }

  arrange() {
    const label = this.settings.get("class");
    const why = this.settings.get("why");
    const chosen = this.cards.filter(
      ({ image }) => (!label || image.tags.includes(Number(label))) && (!why || image.why.includes(why)),
    );
    this.shown = ORDERS[this.settings.get("sort")](chosen);
    listCards(this.shown, this.cards);
  }

  update(changed) {
    if (["sort", "class", "why"].some((name) => changed.has(name))) this.arrange();
    for (const card of this.cards) card.update(changed);
  }
}
