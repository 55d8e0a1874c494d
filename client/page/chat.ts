/** What the two write to each other, beside or below the picture. */
import type { ChatMessage, HairpinClient } from '../src/hairpin-client.js';
import { button, element, form, input, label } from './dom.js';

let shown: readonly ChatMessage[] = [];
/** How many of them have been seen. */
let seen = 0;

export function prepareChat(client: HairpinClient) {
  const chat = element('chat');
  button('chat-button').onclick = () => chat.togglePopover();
  chat.addEventListener('toggle', () => {
    if (isOpen()) {
      showMessages(client.snapshot.chat);
      showNewest();
      input('chat-text').focus();
    } else if (chat.contains(document.activeElement) || document.activeElement === document.body) {
      button('chat-button').focus();
    }
  });
  chat.addEventListener('keydown', ({ key }) => {
    if (key === 'Escape') chat.hidePopover();
  });
  form('chat-form').onsubmit = (event) => {
    event.preventDefault();
    if (client.sendMessage(input('chat-text').value)) input('chat-text').value = '';
  };
}

/** Only with a partner, who reads it too. */
export function showChat({ session, chat }: HairpinClient['snapshot']) {
  if (!session && isOpen()) element('chat').hidePopover();
  button('chat-button').hidden = !session;
  showMessages(chat);
}

function showMessages(chat: readonly ChatMessage[]) {
  if (!chat.length) seen = 0;
  if (chat !== shown) {
    shown = chat;
    element('chat-log').replaceChildren(...chat.map(line));
    showNewest();
  }
  if (isOpen()) seen = chat.length;
  const unread = chat.slice(seen).filter(({ from }) => from === 'partner').length;
  const open = button('chat-button');
  open.setAttribute('aria-expanded', String(isOpen()));
  open.toggleAttribute('data-unread', unread > 0);
  label(open, unread ? `Messages: ${unread} new` : 'Messages');
}

function showNewest() {
  element('chat-log').scrollTop = element('chat-log').scrollHeight;
}

/** As text, never as markup: a partner may write anything. */
function line({ from, text, refused }: ChatMessage): HTMLElement {
  const paragraph = document.createElement('p');
  paragraph.dataset.from = from;
  const who = document.createElement('span');
  who.className = 'spoken';
  who.textContent = from === 'us' ? 'You: ' : 'Your partner: ';
  paragraph.append(who, text);
  if (refused) {
    const note = document.createElement('small');
    note.textContent = 'Not delivered: too many at once.';
    paragraph.append(note);
  }
  return paragraph;
}

function isOpen(): boolean {
  return element('chat').matches(':popover-open');
}
