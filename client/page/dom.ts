/** Elements of index.html by their id, as what they are. */
export const element = (id: string) => get(id, HTMLElement);
export const button = (id: string) => get(id, HTMLButtonElement);
export const input = (id: string) => get(id, HTMLInputElement);
export const select = (id: string) => get(id, HTMLSelectElement);
export const video = (id: string) => get(id, HTMLVideoElement);
export const form = (id: string) => get(id, HTMLFormElement);
export const textarea = (id: string) => get(id, HTMLTextAreaElement);
export const canvas = (id: string) => get(id, HTMLCanvasElement);

function get<T extends Element>(id: string, type: new () => T): T {
  const found = document.getElementById(id);
  if (!(found instanceof type)) throw new Error(`index.html has no ${type.name} #${id}`);
  return found;
}

/** Says what is new, and leaves the element alone otherwise: screen readers and selections notice every touch. */
export function write(target: Element, text: string) {
  if (target.textContent !== text) target.textContent = text;
}

/** What a button does now, for eyes and ears. */
export function label(target: HTMLElement, text: string) {
  target.title = text;
  target.setAttribute('aria-label', text);
}

export function icon(container: Element, name: string) {
  container.querySelector('use')?.setAttribute('href', `#icon-${name}`);
}

/** What a tab remembers of what was chosen in it. */
export function remembered<T>(key: string, otherwise: T): T {
  try {
    return JSON.parse(sessionStorage.getItem(`hairpin.${key}`) ?? 'null') ?? otherwise;
  } catch {
    return otherwise; // Forbidden, or not ours.
  }
}

export function remember(key: string, value: unknown) {
  try {
    sessionStorage.setItem(`hairpin.${key}`, JSON.stringify(value));
  } catch {
    // Then it holds until the page is left.
  }
}
