// One image, large, in a dialog: every map and mask of it; arrow keys move in the order of the gallery.

class Viewer {
  constructor(settings) {
    this.settings = settings;
    this.dialog = byId("viewer");
    this.body = byId("viewer-tiles");
    this.dialog.addEventListener("keydown", (event) => this.#onKey(event));
    this.dialog.addEventListener("close", () => this.#closed());
    this.dialog.addEventListener("click", (event) => event.target === this.dialog && this.dialog.close());
    byId("viewer-close").addEventListener("click", () => this.dialog.close());
    byId("viewer-previous").addEventListener("click", () => this.move(-1));
    byId("viewer-next").addEventListener("click", () => this.move(1));
  }

  open(card, cards) {
    this.cards = cards;
    this.opener = card.opener;
    this.#show(cards.indexOf(card));
    this.dialog.showModal();
    byId("viewer-close").focus();
  }

  move(by) {
    const target = this.position + by;
    if (target >= 0 && target < this.cards.length) this.#show(target);
  }

  update(changed) {
    if (!this.dialog.open) return;
    if (changed.has("palette")) paintSwatches(this.dialog, this.settings);
    this.tiles?.draw(changed);
    this.#showLive();
  }

  #show(position) {
    this.position = position;
    const card = this.cards[position];
    const { image } = card;
    this.opener = card.opener;
    this.dialog.dataset.imageId = image.id;
    byId("viewer-title").replaceChildren(isolated(image.id));
    byId("viewer-tags").replaceChildren(...image.tags.map((label) => element("span", { class: "chip" }, ...tagChip(label, this.settings))));
    byId("viewer-position").textContent = `${position + 1} of ${this.cards.length}`;
    byId("viewer-previous").disabled = position === 0;
    byId("viewer-next").disabled = position === this.cards.length - 1;
    this.#fill(card);
  }

  async #fill(card) {
    this.tiles = new TileSet(card.pictures, this.settings);
    const figures = [];
    for (const kind of presentKinds([card.image])) {
      const labels = kind === "cam" ? card.image.tags : [0];
      for (const label of labels) {
        const note = kind === "cam" ? data.labels[label] : "";
        const tile = makeTile(card.pictures, card.photo, { kind, title: TILE_TITLES[kind], note });
        figures.push(this.tiles.add(tile, label));
      }
    }
    this.body.replaceChildren(...figures);
    this.body.scrollTop = 0;
    const tiles = this.tiles;
    await card.pictures.load();
    if (this.tiles !== tiles) return;
    tiles.draw();
    this.#showLive();
  }

  #showLive() {
    const { image } = this.cards[this.position];
    const parts = [];
    if (image.miou !== null) parts.push(`${data.galleryScore} ${formatPercent(image.miou)}`);
    const live = this.tiles.pictures.ready ? this.tiles.seedMeanIou() : null;
    if (live !== null) parts.push(`seed at ${formatScore(this.settings.get("score"))}: ${formatPercent(live)}`);
    byId("viewer-scores").textContent = parts.join(" · ");
  }

  #onKey(event) {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!by || event.target.matches("input, select")) return; // there the arrows move the control
    event.preventDefault();
    this.move(by);
  }

  #closed() {
    this.opener.scrollIntoView({ block: "nearest" });
    this.opener.focus();
  }
}
