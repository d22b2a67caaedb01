// Runs before the page is drawn, so that it never flashes in the other theme.
(() => {
  let theme = null;
  try {
    theme = localStorage.getItem("tagseg-theme");
  } catch {
    // Without storage the system's theme holds.
  }
  if (theme !== "dark" && theme !== "light") theme = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  document.documentElement.dataset.theme = theme;
})();
