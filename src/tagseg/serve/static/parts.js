// Pieces of the page, made from values. Names are text, never markup.

function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

const percent = (share) => `${(100 * share).toFixed(1)} %`;
const STATES = { waiting: "waiting", working: "looking at it", done: "done", failed: "could not be used" };

// A row of the queue: picture, name, what becomes of it.
export function itemRow(name, choose) {
  const picture = make("span", { className: "thumb", ariaHidden: "true" });
  const status = make("span", { className: "status", textContent: STATES.waiting });
  const words = make("span", { className: "words" }, make("span", { className: "name", textContent: name }), status);
  const button = make("button", { type: "button", title: name }, picture, words);
  button.addEventListener("click", choose);
  const element = make("li", { className: "waiting" }, button);
  return {
    element,
    focus: () => button.focus(),
    setPicture: (canvas) => picture.replaceChildren(canvas),
    setState(state, error) {
      element.className = state;
      status.textContent = error ? `${error.message}; ${error.help}` : STATES[state];
    },
    setCurrent(isCurrent) {
      if (isCurrent) button.setAttribute("aria-current", "true");
      else button.removeAttribute("aria-current");
      if (isCurrent) element.scrollIntoView({ block: "nearest" });
    },
  };
}

export function fillLegend(body, areas, names, colors) {
  body.replaceChildren(
    ...areas.map(({ id, share, meanScore }) => {
      const swatch = make("span", { className: id ? "swatch" : "swatch none" });
      if (id) swatch.style.background = `rgb(${colors[id].join(" ")})`;
      return make(
        "tr",
        {},
        make("th", { scope: "row" }, swatch, names[id]),
        make("td", { className: "number", textContent: percent(share) }),
        make("td", { className: "number", textContent: meanScore.toFixed(2) }),
      );
    }),
  );
}

// The tags whose map can be shown, the most probable first when the classifier has spoken; it is taken unless people
// have chosen another.
export function fillTagChoice(select, item, { info, tag }) {
  const tags = item.tags || info.tags.map((name, place) => ({ id: place + 1, name }));
  const text = ({ name, probability }) => (probability === undefined ? name : `${name} (${percent(probability)})`);
  select.replaceChildren(...tags.map((tag) => new Option(text(tag), tag.id)));
  if (tag) select.value = tag;
}

// Boxes to tick: which tags the image has, as far as its mask goes. A segmenter knows no probabilities of tags.
export function fillTags(list, item, info, choose) {
  const all = info.labels.map((name, id) => ({ id, name })).slice(1);
  list.replaceChildren(
    ...(info.segmenter ? all : item.tags).map(({ id, name, probability }) => {
      const box = make("input", { type: "checkbox", checked: item.chosen.has(id) });
      box.addEventListener("change", () => choose(id, box.checked));
      const label = make("label", {}, box, make("span", { className: "name", textContent: name }));
      const number = probability === undefined ? "" : percent(probability);
      return make("li", {}, label, make("span", { className: "number", textContent: number }));
    }),
  );
}
