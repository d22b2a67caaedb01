// Examples name the address that this page was opened at: its port, its host, what a proxy puts before it.

const written = "http://127.0.0.1:8000/";
const opened = new URL(".", location.href).href;
for (const example of document.querySelectorAll("pre")) {
  example.textContent = example.textContent.replaceAll(written, opened);
}
