// Starts the report's page.

function startMatrix() {
  startChoice("matrix-choice", "matrix");
  if (!byId("matrix")) return;
  const readout = byId("matrix-readout");
  const tell = (event) => {
    const cell = event.target.closest("td[data-pixels]");
    if (!cell) return;
    const table = cell.closest("table");
    const truth = table.rows[cell.parentElement.rowIndex].cells[0].textContent;
    const found = table.rows[0].cells[cell.cellIndex].textContent;
    const pixels = Number(cell.dataset.pixels);
    const share = formatPercent(pixels / Number(cell.parentElement.dataset.pixels));
    const text = `${truth} seen as ${found}: ${pixels.toLocaleString("en")} pixels, ${share} of ${truth}`;
    cell.title = text;
    readout.textContent = text;
  };
  byId("matrix").addEventListener("pointerover", tell);
}

function startSweepOutputs(settings) {
  const show = () => {
    const sweep = data.sweeps[settings.get("maps")];
    for (const output of document.querySelectorAll("[data-shows=sweep-miou]")) showSweptMeanIou(output, sweep, settings.get("score"));
  };
  settings.onChange((changed) => (changed.has("score") || changed.has("maps")) && show());
  show();
}

function startReport() {
  const settings = new Settings({ score: 0.25, maps: "network", palette: "voc", sort: "id", class: "", why: "", cam: "" });
  startTheme();
  startSelect("maps", settings, "maps");
  startSelect("palette", settings, "palette", { stored: true });
  startSelect("sort", settings, "sort");
  startSelect("filter-class", settings, "class");
  startSelect("filter-why", settings, "why");
  startSelect("cam-class", settings, "cam");
  settings.values.score = Number(formatScore(data.sweeps[settings.get("maps")]?.best ?? data.backgroundScore));
  startScoreSliders(settings);
  startSweepOutputs(settings);
  startOpacity();
  startLegend(settings);
  startMatrix();
  if (!data.images.length) return;
  const viewer = new Viewer(settings);
  const gallery = new Gallery(settings, (card) => viewer.open(card, gallery.shown));
  settings.onChange((changed) => {
    gallery.update(changed);
    viewer.update(changed);
  });
}

startReport();
