// Requests to the server: with the token, again where it is busy.

const KEY = "tlkit-token";
let token = "";

export class Denied extends Error {}

export function readToken() {
  const given = new URLSearchParams(location.hash.slice(1)).get("token");
  if (given) {
    sessionStorage.setItem(KEY, given);
    history.replaceState(null, "", location.pathname);
  }
  token = sessionStorage.getItem(KEY) || "";
}

export function setToken(value) {
  token = value;
  sessionStorage.setItem(KEY, value);
}

const pause = (seconds, signal) => new Promise((resolve, reject) => {
  const timer = setTimeout(resolve, 1000 * seconds);
  signal?.addEventListener("abort", () => { clearTimeout(timer); reject(signal.reason); });
});

// Returns the JSON of an answer; raises an Error with the server's reason.
export async function ask(path, options = {}) {
  for (let tries = 1; ; tries++) {
    const headers = token ? { Authorization: `Bearer ${token}` } : {};
    let answer;
    try {
      answer = await fetch(path, { ...options, headers });
    } catch (error) {
      if (options.signal?.aborted) throw error;
      throw new Error("The server does not answer; it may have been stopped.");
    }
    if (answer.status === 429 && tries < 30) {
      await pause(Number(answer.headers.get("Retry-After")) || 1, options.signal);
      continue;
    }
    const values = await answer.json().catch(() => ({}));
    if (answer.status === 401) throw new Denied(values.detail);
    if (!answer.ok) throw new Error(values.detail || `The server answered ${answer.status}.`);
    return values;
  }
}

// Sends an image; `path` is /predict or /explain with its parameters.
export function send(path, file, signal) {
  const form = new FormData();
  form.append("image", file, file.name || "image");
  return ask(path, { method: "POST", body: form, signal });
}
