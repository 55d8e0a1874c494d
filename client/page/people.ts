/** Whom to meet: the mode, the buddies, and interests where the server knows of any. */
import type { HairpinClient, Wishes } from '../src/hairpin-client.js';
import { button, element, input, remember, remembered, write } from './dom.js';
import { plural } from './words.js';

const MOST_INTERESTS = 16;
const SUMMARIES: Record<string, string> = { '': 'Anyone', buddies_first: 'Buddies first', buddies: 'Only buddies' };

/** What this page cares for of `v1/about`. */
interface About {
  attributes: { name: string; kind: string }[];
}

export class People {
  #client: HairpinClient;
  #buddies: string[] = remembered('buddies', []);

  constructor(client: HairpinClient) {
    this.#client = client;
    const mode = remembered('mode', '');
    for (const choice of modes()) choice.checked = choice.value === mode;
    input('interests').value = remembered('interests', '');
    element('modes').onchange = () => {
      remember('mode', this.#mode);
      this.#show();
    };
    input('interests').onchange = () => {
      remember('interests', input('interests').value);
      this.#show();
    };
    button('unblock').onclick = () => {
      for (const userId of client.blocked) client.unblock(userId);
      this.#show();
      input('interests').checkVisibility() ? input('interests').focus() : modes().find(({ checked }) => checked)?.focus();
    };
    element('people').addEventListener('beforetoggle', () => this.#show());
    this.#show();
    void this.#ask();
  }

  get wishes(): Wishes {
    const interests = this.#interests;
    return {
      ...(this.#mode && { mode: this.#mode }),
      ...(this.#buddies.length && { buddies: this.#buddies }),
      ...(interests.length && { attributes: { interests } }),
    };
  }

  isBuddy(userId: string): boolean {
    return this.#buddies.includes(userId);
  }

  /** From the next search on. */
  keep(userId: string, kept: boolean) {
    this.#buddies = this.#buddies.filter((buddy) => buddy !== userId);
    if (kept) this.#buddies = [...this.#buddies, userId].slice(-200);
    remember('buddies', this.#buddies);
    this.#show();
    if (this.#client.snapshot.aim === 'partner') this.#client.find(this.wishes);
  }

  get #mode(): string {
    return modes().find(({ checked }) => checked)?.value ?? '';
  }

  get #interests(): string[] {
    if (element('interests-field').hidden) return [];
    const words = input('interests').value.toLowerCase().split(',');
    const some = words.map((word) => word.trim().slice(0, 20)).filter(Boolean);
    return [...new Set(some)].slice(0, MOST_INTERESTS);
  }

  #show() {
    const count = this.#buddies.length;
    const buddies = count ? `You keep ${plural(count, 'buddy', 'buddies')} in this tab.` : 'You keep no buddies yet: that is done in a call.';
    write(element('buddies-text'), buddies);
    write(element('people-summary'), [SUMMARIES[this.#mode], this.#interests.length && this.#interests.join(', ')].filter(Boolean).join(' · '));
    const blocked = this.#client.blocked.length;
    button('unblock').hidden = !blocked;
    write(button('unblock'), `Unblock ${plural(blocked, 'person', 'people')}`);
  }

  /** A server of another time, or of an app with other attributes, has no interests: then there is no field for them. */
  async #ask() {
    const answer = await fetch('v1/about').catch(() => null);
    const about: About | null = answer?.ok ? await answer.json().catch(() => null) : null;
    const known = about?.attributes?.some(({ name, kind }) => name === 'interests' && kind === 'tags');
    element('interests-field').hidden = !known;
    this.#show();
  }
}

function modes(): HTMLInputElement[] {
  return [...element('modes').querySelectorAll('input')];
}
