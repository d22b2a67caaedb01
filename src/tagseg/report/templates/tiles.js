// Tiles of one image: the photo under a canvas with a map or a mask. Needs pixels.js and controls.js.

const TILE_TITLES = {
  photo: "Photo",
  cam: "CAM",
  seed: "Seed",
  sure: "Sure seeds",
  mask: "Pseudo mask",
  confident: "Confident",
  prediction: "Prediction",
  truth: "Ground truth",
};

const LABEL_KINDS = ["sure", "mask", "confident", "prediction", "truth"];

function makeTile(pictures, photo, { kind, title, note = "" }) {
  const caption = element("figcaption", {}, title);
  if (note) caption.append(" ", element("span", { class: "note" }, isolated(note)));
  const [height, width] = pictures.size;
  const stack = element("div", { class: "stack" });
  stack.append(element("img", { src: photo, alt: "", width, height, draggable: "false" }));
  const canvas = kind === "photo" ? null : element("canvas", { "data-kind": kind, "aria-hidden": "true", width, height });
  if (canvas) stack.append(canvas);
  return { figure: element("figure", { class: `tile tile-${kind}` }, stack, caption), canvas, kind };
}

// Draws what changed of one image's tiles; `describe` says which map a tile of kind "cam" shows.
class TileSet {
  constructor(pictures, settings) {
    this.pictures = pictures;
    this.settings = settings;
    this.tiles = [];
  }

  add(tile, label = 0) {
    this.tiles.push({ ...tile, label });
    return tile.figure;
  }

  draw(changed = null) {
    if (!this.pictures.ready) return;
    for (const tile of this.tiles) if (tile.canvas && needsDrawing(tile.kind, changed)) this.#drawTile(tile);
  }

  #drawTile({ canvas, kind, label, figure }) {
    const { pictures, settings } = this;
    const palette = data.palettes[settings.get("palette")];
    if (kind === "cam") {
      const map = pictures.cam(settings.get("maps"), label);
      figure.classList.toggle("missing", !map);
      if (map) paintCam(canvas, pictures.size, map);
      return;
    }
    const labels = kind === "seed" ? pictures.seeds(settings.get("maps"), settings.get("score")) : pictures.labels[kind];
    figure.classList.toggle("missing", !labels);
    if (labels) paintLabels(canvas, pictures.size, labels, palette);
  }

  // The mean IoU of the seeds as they are drawn now, against the picture of the truth.
  seedMeanIou() {
    const truth = this.pictures.labels.truth;
    const seeds = this.pictures.seeds(this.settings.get("maps"), this.settings.get("score"));
    return truth && seeds ? meanIou(truth, seeds) : null;
  }
}

function needsDrawing(kind, changed) {
  if (!changed) return true;
  if (kind === "cam") return changed.has("maps") || changed.has("cam");
  if (kind === "seed") return changed.has("maps") || changed.has("score") || changed.has("palette");
  return changed.has("palette");
}

// Draws cards when they come near the window; those that are far are not drawn again at each change.
function drawWhenNear(cards) {
  const byElement = new Map(cards.map((card) => [card.element, card]));
  const watcher = new IntersectionObserver(
    (entries) => {
      for (const { isIntersecting, target } of entries) {
        const card = byElement.get(target);
        if (isIntersecting) card.show();
        else card.visible = false;
      }
    },
    { rootMargin: "400px 0px" },
  );
  for (const card of cards) watcher.observe(card.element);
}

// Puts the chosen cards on the page, in their order, and says how many of all they are.
function listCards(chosen, all) {
  byId("cards").replaceChildren(...chosen.map((card) => card.element));
  byId("shown-count").textContent = `${chosen.length} of ${all.length} images`;
  byId("none-shown").hidden = chosen.length > 0;
}
