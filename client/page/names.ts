/** A name that people can say to each other, always the same for the same user id. */
export function nameOf(userId: string): string {
  const value = hash(userId);
  return `${FIRST[value % FIRST.length]} ${SECOND[(value >>> 8) % SECOND.length]}`;
}

/** An angle on the colour wheel, the same for the same text. */
export function hueOf(text: string): number {
  return hash(text) % 360;
}

/** FNV-1a, whose low bits are stirred once more: ids that differ in one character should differ in name. */
export function hash(text: string): number {
  let value = 2166136261;
  for (const character of text) value = Math.imul(value ^ character.charCodeAt(0), 16777619);
  return (value ^ (value >>> 15)) >>> 0;
}

const FIRST = [
  'Amber',
  'Brisk',
  'Calm',
  'Clever',
  'Gentle',
  'Golden',
  'Lucky',
  'Merry',
  'Noble',
  'Quiet',
  'Silver',
  'Sunny',
  'Swift',
];
const SECOND = [
  'Badger',
  'Crane',
  'Dolphin',
  'Falcon',
  'Fox',
  'Heron',
  'Lynx',
  'Magpie',
  'Otter',
  'Robin',
  'Seal',
  'Swallow',
  'Wren',
];
