// One image, large, in a dialog; arrow keys move in the order of the gallery. What is shown of it is its card's affair:
// `card.enlarged()` gives `figures`, `load()`, `draw(changed)` and `scores()`.

class Viewer {
  constructor(settings) {
    this.settings = settings;
    this.dialog = byId("viewer");
    this.body = byId("viewer-tiles");
    this.dialog.addEventListener("keydown", (event) => this.#onKey(event));
    this.dialog.addEventListener("close", () => this.#returnFocus()); // for a browser's own ways, such as Android's back
    this.dialog.addEventListener("click", (event) => event.target === this.dialog && this.#close());
    byId("viewer-close").addEventListener("click", () => this.#close());
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
    this.view.draw(changed);
    this.#showScores();
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
    const view = card.enlarged();
    this.view = view;
    this.body.replaceChildren(...view.figures);
    this.body.scrollTop = 0;
    this.#showScores();
    await view.load();
    if (this.view !== view) return;
    view.draw(null);
    this.#showScores();
  }

  #showScores() {
    byId("viewer-scores").textContent = this.view.scores().join(" · ");
  }

  #onKey(event) {
    if (event.key === "Escape") {
      event.preventDefault();
      this.#close();
      return;
    }
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!by || event.target.matches("input, select")) return; // there the arrows move the control
    event.preventDefault();
    this.move(by);
  }

  // A dialog itself gives the focus back to the button that opened it, perhaps that of another image, and tells of its
  // closing later; so the focus moves on at once, or a key pressed in between would go to the wrong card.
  #close() {
    this.dialog.close();
    this.#returnFocus();
  }

  #returnFocus() {
    if (this.dialog.open || !this.opener) return;
    this.opener.scrollIntoView({ block: "nearest" });
    this.opener.focus();
    this.opener = null;
  }
}

function makeOpener(card, openViewer) {
  const opener = element("button", { type: "button", class: "open", "aria-label": `Enlarge ${card.image.id}` }, "Enlarge");
  opener.addEventListener("click", () => openViewer(card));
  return opener;
}
