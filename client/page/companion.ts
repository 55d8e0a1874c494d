/** The one there is, or was last: kept as a buddy, reported, blocked. */
import type { HairpinClient, Session } from '../src/hairpin-client.js';
import { button, element, form, input, label, textarea, write } from './dom.js';
import { nameOf } from './names.js';
import type { People } from './people.js';
import { REASONS } from './words.js';

const VIEWS = ['companion-menu', 'report', 'block'] as const;

export class Companion {
  /** Whom the page has been with last. */
  last: Session | null = null;
  /** And with whom before that. */
  before: Session | null = null;
  /** Whom the panel is about, for as long as it is open: a new partner is not reported for the old one. */
  #about: Session | null = null;
  #people: People;

  constructor(client: HairpinClient, people: People) {
    this.#people = people;
    client.on('partner', (session) => {
      if (session.id === this.last?.id) return;
      this.before = this.last;
      this.last = session;
    });
    client.on('reported', () => write(element('companion-said'), 'Thank you. Your report has arrived.'));
    element('reasons').append(...REASONS.map(reason));
    const panel = element('companion');
    panel.addEventListener('beforetoggle', (event) => {
      if ((event as ToggleEvent).newState === 'open') this.#open();
    });
    input('buddy').onchange = () => this.#about && people.keep(this.#about.partnerId, input('buddy').checked);
    button('report-button').onclick = () => {
      this.#view('report');
      element('reasons').querySelector('input')?.focus();
    };
    form('report').onsubmit = (event) => {
      event.preventDefault();
      const chosen = element('reasons').querySelector<HTMLInputElement>('input:checked')?.value ?? '';
      const said = client.report([chosen, textarea('report-text').value.trim()].filter(Boolean).join(': '), this.#about?.id);
      this.#view('companion-menu');
      write(element('companion-said'), said ? 'Sending your report…' : 'Your report cannot be sent now.');
      button('report-button').focus();
    };
    button('block-button').onclick = () => {
      this.#view('block');
      button('block-no').focus();
    };
    button('block-no').onclick = () => {
      this.#view('companion-menu');
      button('block-button').focus();
    };
    button('block-yes').onclick = () => {
      if (!this.#about) return;
      people.keep(this.#about.partnerId, false);
      client.block(this.#about.partnerId);
      if (this.last?.partnerId === this.#about.partnerId) this.last = null;
      panel.hidePopover();
    };
  }

  show({ session, phase }: HairpinClient['snapshot']) {
    // Without a connection nobody can be told of anybody.
    if (phase === 'idle') this.last = this.before = null;
    if (session) label(button('more'), `${nameOf(session.partnerId)}: keep, report or block`);
    const { last } = this;
    button('last-partner').hidden = !last || document.body.dataset.scene !== 'looking';
    if (last) write(button('last-partner'), `Report or block ${nameOf(last.partnerId)}`);
  }

  #open() {
    this.#about = this.last;
    if (!this.#about) return;
    const { partnerId } = this.#about;
    const name = nameOf(partnerId);
    write(element('companion-title'), name);
    write(element('block-text'), `Never meet ${name} again? A call between you ends, and neither of you finds the other from then on.`);
    write(element('companion-said'), '');
    input('buddy').checked = this.#people.isBuddy(partnerId);
    form('report').reset();
    this.#view('companion-menu');
  }

  #view(shown: (typeof VIEWS)[number]) {
    for (const view of VIEWS) element(view).hidden = view !== shown;
    write(element('companion-said'), '');
  }
}

function reason(text: string, index: number): HTMLElement {
  const choice = Object.assign(document.createElement('input'), { type: 'radio', name: 'reason', value: text, required: true });
  choice.defaultChecked = index === 0;
  const line = document.createElement('label');
  line.append(choice, text);
  return line;
}
