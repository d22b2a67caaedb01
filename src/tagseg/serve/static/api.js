// What the page asks the server. An answer is JSON; a refusal is thrown as a Problem with its two sentences.

const TOKEN = "tagseg-token"; // its place in the tab's storage
let token = fromStorage();

export class Problem extends Error {
  constructor(problem, help, status) {
    super(problem);
    this.help = help;
    this.status = status;
  }
}

// Send a token with everything from now on.
export function useToken(text) {
  token = text;
  try {
    sessionStorage.setItem(TOKEN, text);
  } catch {
    // Without storage it holds until the page is left.
  }
}

function fromStorage() {
  try {
    return sessionStorage.getItem(TOKEN) || "";
  } catch {
    return "";
  }
}

export async function getInfo() {
  return (await ask("info")).json();
}

export async function getSample(name) {
  return new File([await (await ask("sample")).blob()], name);
}

// Masks, with labels of some tags only where any are named; or with a classifier only tags and maps, of one file.
export async function look(file, info, tags) {
  const response = info.segmenter ? await post("predict", file, { score: "true", tags }) : await post("cams", file, {});
  return (await response.json()).images[0];
}

export async function getMaps(file, tags) {
  return (await (await post("cams", file, { tags })).json()).images[0];
}

// One file of all masks in a format, and what it lost of them. Each mask has the name of its photograph.
export async function getExport(format, masks, photographs, corrected) {
  const form = new FormData();
  form.append("format", format);
  form.append("corrected", corrected);
  for (const mask of masks) form.append("masks", mask);
  for (const photograph of photographs) form.append("images", photograph, photograph.name || "pasted.png");
  const response = await ask("export", { method: "POST", body: form });
  return { blob: await response.blob(), notes: JSON.parse(response.headers.get("x-notes") || "[]") };
}

// The upright photograph, of a kind of file that the browser cannot draw itself.
export async function getPhoto(file) {
  return (await post("predict", file, { format: "overlay", opacity: "0" })).blob();
}

export async function getRegions(file) {
  return (await (await post("superpixels", file, {})).json()).images[0];
}

// Keep a mask as the correction of a photograph.
export async function saveCorrection(mask, name) {
  return (await (await post("corrections", new File([mask], name), {})).json()).images[0];
}

async function post(path, file, options) {
  const form = new FormData();
  for (const [name, value] of Object.entries(options)) {
    for (const each of [value].flat()) form.append(name, each);
  }
  form.append("images", file, file.name || "pasted.png");
  return ask(path, { method: "POST", body: form });
}

async function ask(path, options) {
  const headers = token ? { authorization: `Bearer ${token}` } : {};
  for (;;) {
    let response;
    try {
      response = await fetch(path, { cache: "no-store", ...options, headers });
    } catch {
      throw new Problem("the server does not answer", "look whether 'tagseg serve' still runs, then try again");
    }
    if (response.ok) return response;
    if (response.status === 429) {
      await new Promise((resolve) => setTimeout(resolve, 1000 * Number(response.headers.get("retry-after") || 1)));
      continue;
    }
    const refusal = await response.json().catch(() => ({}));
    if (response.status === 401) throw new Problem("this server asks for its token", "reload the page and give it", 401);
    throw new Problem(refusal.error || `the server answers with status ${response.status}`, refusal.help || "try again");
  }
}
