// JSON as RFC 8259 has it. Numbers stay as they are written.

/** What a value is. */
export enum Kind { Null, False, True, Number, String, Array, Object }

/** How deep values may be nested. */
export const MAX_DEPTH: i32 = 64;

const QUOTE: u32 = 0x22, BACKSLASH: u32 = 0x5c;

/** Json is a JSON value. */
export class Json {
  /** Of a string or a number that the connector made. */
  private made: string | null = null;
  // Else the text lies in a document, in bytes.
  private document: ArrayBuffer | null = null;
  private start: usize = 0;
  private end: usize = 0;
  private escaped: bool = false;
  // The members of an object or an array, and the value beside this one. A name is a string.
  private name: Json | null = null;
  private first: Json | null = null;
  private last: Json | null = null;
  private next: Json | null = null;

  constructor(public kind: Kind) {}

  /** parse reads a document in UTF-8. It returns null if that is not JSON, not UTF-8, or nested too deep. */
  static parse(document: ArrayBuffer): Json | null { return new Reader(document).document(); }

  static string(text: string): Json {
    const v = new Json(Kind.String);
    v.made = text;
    return v;
  }

  /** number takes a number as it is written in JSON. */
  static number(text: string): Json {
    const v = new Json(Kind.Number);
    v.made = text;
    return v;
  }

  static bool(value: bool): Json { return new Json(value ? Kind.True : Kind.False); }

  static object(): Json { return new Json(Kind.Object); }

  static array(): Json { return new Json(Kind.Array); }

  /** set adds a member to an object. A value can be in one place only. */
  set(name: string, value: Json): Json {
    value.name = Json.string(name);
    return this.add(value);
  }

  /** add adds a value to an array. */
  add(value: Json): Json {
    const last = this.last;
    if (last) last.next = value;
    else this.first = value;
    this.last = value;
    return this;
  }

  /** get returns the member of an object, and null if there is none. The last member of a name counts. */
  get(name: string): Json {
    let found: Json | null = null;
    if (this.kind == Kind.Object) {
      const want = String.UTF8.encode(name);
      let v = this.first;
      while (v) {
        if (v.name!.is(name, want)) found = v;
        v = v.next;
      }
    }
    return found ? found : new Json(Kind.Null);
  }

  private is(text: string, bytes: ArrayBuffer): bool {
    if (this.made !== null || this.escaped) return this.text == text;
    const size = this.end - this.start;
    return size == <usize>bytes.byteLength && memory.compare(this.start, changetype<usize>(bytes), size) == 0;
  }

  /** values returns the members of an object or an array. */
  get values(): Json[] {
    const all: Json[] = [];
    let v = this.first;
    while (v) {
      all.push(v);
      v = v.next;
    }
    return all;
  }

  /** key returns the name of a member of an object. */
  get key(): string {
    const name = this.name;
    return name ? name.text : "";
  }

  /** text returns the text of a string, and "" for anything else. */
  get text(): string { return this.kind == Kind.String ? this.decode() : ""; }

  /** scalar returns the text of a string or a number, and "" for anything else. */
  get scalar(): string { return this.kind == Kind.Number ? this.decode() : this.text; }

  get isNull(): bool { return this.kind == Kind.Null; }

  private decode(): string {
    const made = this.made;
    if (made !== null) return made;
    if (!this.escaped) return String.UTF8.decodeUnsafe(this.start, this.end - this.start);
    return String.UTF8.decode(this.utf8());
  }

  /** utf8 returns the bytes of a string. */
  utf8(): ArrayBuffer {
    const made = this.made;
    if (made !== null) return String.UTF8.encode(made, false, String.UTF8.ErrorMode.REPLACE);
    const size = this.end - this.start, bytes = new ArrayBuffer(<i32>size), to = changetype<usize>(bytes);
    if (!this.escaped) {
      memory.copy(to, this.start, size);
      return bytes;
    }
    return bytes.slice(0, <i32>unescape(this.start, this.end, to));
  }

  /** toString returns the value as JSON. */
  toString(): string {
    const w = new Writer();
    w.value(this);
    return String.UTF8.decode(w.done());
  }

  /** within makes a value whose text lies in a document, for the reader. */
  static within(kind: Kind, document: ArrayBuffer, start: usize, end: usize, escaped: bool): Json {
    const v = new Json(kind);
    v.document = document;
    v.start = start;
    v.end = end;
    v.escaped = escaped;
    return v;
  }

  /** append adds a value, and its name in an object, for the reader. */
  append(name: Json | null, value: Json): void {
    value.name = name;
    this.add(value);
  }
}

function hex4(p: usize): u32 {
  let n: u32 = 0;
  for (let i: usize = 0; i < 4; i++) {
    const c: u32 = load<u8>(p + i);
    n = (n << 4) | (c <= 0x39 ? c - 0x30 : (c | 32) - 0x61 + 10);
  }
  return n;
}

/**
 * plain returns where the first character after p is that a string cannot have as it is, or that is not ASCII. It looks at eight bytes at
 * once: the lowest bit that is set in odd is in the first such byte.
 */
function plain(p: usize, end: usize): usize {
  const ones: u64 = 0x0101010101010101, high: u64 = ones << 7;
  for (; p + 8 <= end; p += 8) {
    const x = load<u64>(p), quote = x ^ (ones * QUOTE), backslash = x ^ (ones * BACKSLASH);
    const odd = (((x - ones * 0x20) & ~x) | ((quote - ones) & ~quote) | ((backslash - ones) & ~backslash) | x) & high;
    if (odd) return p + <usize>(ctz(odd) >> 3);
  }
  while (p < end) {
    const c: u32 = load<u8>(p);
    if (c < 0x20 || c >= 0x80 || c == QUOTE || c == BACKSLASH) break;
    p++;
  }
  return p;
}

/** unescape decodes a string, which has been checked, and returns its size. Half of a surrogate pair becomes U+FFFD. */
function unescape(p: usize, end: usize, into: usize): usize {
  let to = into;
  while (p < end) {
    const run = plain(p, end) - p;
    memory.copy(to, p, run);
    p += run;
    to += run;
    if (p == end) break;
    let c: u32 = load<u8>(p++);
    if (c != BACKSLASH) {
      store<u8>(to++, c);
      continue;
    }
    c = load<u8>(p++);
    if (c == 0x75) { // u
      c = hex4(p);
      p += 4;
      if (c >> 10 == 0x36 && end - p >= 6 && load<u16>(p) == 0x755c) { // a backslash and u
        const second = hex4(p + 2);
        if (second >> 10 == 0x37) {
          c = 0x10000 + ((c & 0x3ff) << 10) + (second & 0x3ff);
          p += 6;
        }
      }
      to = putRune(to, c >> 11 == 0x1b ? 0xfffd : c);
      continue;
    }
    if (c == 0x62) c = 8;
    else if (c == 0x66) c = 12;
    else if (c == 0x6e) c = 10;
    else if (c == 0x72) c = 13;
    else if (c == 0x74) c = 9;
    store<u8>(to++, c);
  }
  return to - into;
}

function putRune(to: usize, c: u32): usize {
  if (c < 0x80) {
    store<u8>(to, c);
    return to + 1;
  }
  if (c < 0x800) {
    store<u8>(to++, 0xc0 | (c >> 6));
  } else {
    if (c < 0x10000) {
      store<u8>(to++, 0xe0 | (c >> 12));
    } else {
      store<u8>(to++, 0xf0 | (c >> 18));
      store<u8>(to++, 0x80 | ((c >> 12) & 0x3f));
    }
    store<u8>(to++, 0x80 | ((c >> 6) & 0x3f));
  }
  store<u8>(to, 0x80 | (c & 0x3f));
  return to + 1;
}

/** rune returns the length of the character of UTF-8 at p, 0 if there is none. */
function rune(p: usize, end: usize): usize {
  const c: u32 = load<u8>(p);
  if (c < 0x80) return 1;
  const n: usize = c < 0xc2 ? 0 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : c < 0xf5 ? 4 : 0;
  if (!n || end - p < n) return 0;
  const second: u32 = load<u8>(p, 1);
  if (second < (c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : 0x80) || second > (c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : 0xbf)) return 0;
  for (let i: usize = 2; i < n; i++) {
    if ((load<u8>(p + i) & 0xc0) != 0x80) return 0;
  }
  return n;
}

/** isUTF8 reports whether bytes are text. */
export function isUTF8(bytes: ArrayBuffer): bool {
  let p = changetype<usize>(bytes);
  const end = p + bytes.byteLength;
  while (p < end) {
    const n = rune(p, end);
    if (!n) return false;
    p += n;
  }
  return true;
}

class Reader {
  private at: usize;
  private end: usize;
  private depth: i32 = 0;

  constructor(private source: ArrayBuffer) {
    this.at = changetype<usize>(source);
    this.end = this.at + source.byteLength;
  }

  document(): Json | null {
    this.blank();
    const v = this.value();
    this.blank();
    return this.at == this.end ? v : null;
  }

  private value(): Json | null {
    if (this.at == this.end) return null;
    switch (<u32>load<u8>(this.at)) {
      case 0x7b: return this.members(new Json(Kind.Object), 0x7d);
      case 0x5b: return this.members(new Json(Kind.Array), 0x5d);
      case QUOTE: return this.string();
      case 0x74: return this.word("true") ? new Json(Kind.True) : null;
      case 0x66: return this.word("false") ? new Json(Kind.False) : null;
      case 0x6e: return this.word("null") ? new Json(Kind.Null) : null;
    }
    return this.number();
  }

  private members(list: Json, close: u32): Json | null {
    this.at++;
    if (++this.depth > MAX_DEPTH) return null;
    this.blank();
    if (!this.next(close)) {
      do {
        let name: Json | null = null;
        this.blank();
        if (list.kind == Kind.Object) {
          if (this.at == this.end || load<u8>(this.at) != QUOTE) return null;
          name = this.string();
          this.blank();
          if (!name || !this.next(0x3a)) return null;
          this.blank();
        }
        const v = this.value();
        if (!v) return null;
        list.append(name, v);
        this.blank();
      } while (this.next(0x2c));
      if (!this.next(close)) return null;
    }
    this.depth--;
    return list;
  }

  private string(): Json | null {
    let p = this.at + 1, escaped = false;
    const start = p, end = this.end;
    for (;;) {
      p = plain(p, end);
      if (p == end) return null;
      const c: u32 = load<u8>(p);
      if (c < 0x20) return null;
      if (c == QUOTE) break;
      if (c == BACKSLASH) {
        escaped = true;
        const n = escape(p, end);
        if (!n) return null;
        p += n;
      } else {
        const n = rune(p, end);
        if (!n) return null;
        p += n;
      }
    }
    this.at = p + 1;
    return Json.within(Kind.String, this.source, start, p, escaped);
  }

  private number(): Json | null {
    const start = this.at;
    this.next(0x2d);
    if (!this.next(0x30) && !this.digits()) return null;
    if (this.next(0x2e) && !this.digits()) return null;
    if (this.next(0x65) || this.next(0x45)) {
      if (!this.next(0x2b)) this.next(0x2d);
      if (!this.digits()) return null;
    }
    return Json.within(Kind.Number, this.source, start, this.at, false);
  }

  private digits(): bool {
    const start = this.at;
    while (this.at < this.end && <u32>load<u8>(this.at) - 0x30 < 10) this.at++;
    return this.at > start;
  }

  private word(text: string): bool {
    for (let i = 0; i < text.length; i++) {
      if (!this.next(text.charCodeAt(i))) return false;
    }
    return true;
  }

  private next(c: u32): bool {
    if (this.at == this.end || load<u8>(this.at) != c) return false;
    this.at++;
    return true;
  }

  private blank(): void {
    while (this.at < this.end) {
      const c = load<u8>(this.at);
      if (c != 0x20 && c != 0x0a && c != 0x0d && c != 0x09) return;
      this.at++;
    }
  }
}

/** escape returns the length of the escape sequence at p, 0 if there is none. */
function escape(p: usize, end: usize): usize {
  if (end - p < 2) return 0;
  switch (<u32>load<u8>(p, 1)) {
    case QUOTE: case BACKSLASH: case 0x2f: case 0x62: case 0x66: case 0x6e: case 0x72: case 0x74: return 2;
    case 0x75:
      if (end - p < 6) return 0;
      for (let i: usize = 2; i < 6; i++) {
        const c: u32 = load<u8>(p + i);
        if (c - 0x30 > 9 && (c | 32) - 0x61 > 5) return 0;
      }
      return 6;
  }
  return 0;
}

/** Writer writes JSON in UTF-8. */
export class Writer {
  private bytes: ArrayBuffer = new ArrayBuffer(512);
  private size: usize = 0;

  /** done returns what was written. */
  done(): ArrayBuffer { return this.bytes.slice(0, <i32>this.size); }

  /** begin and end enclose an object or an array; name is before a member. */
  begin(bracket: u32): void { this.byte(bracket); }
  end(bracket: u32): void { this.byte(bracket); }

  name(name: string): void {
    this.between();
    this.string(name);
    this.byte(0x3a);
  }

  between(): void {
    const last = load<u8>(changetype<usize>(this.bytes) + this.size - 1);
    if (last != 0x7b && last != 0x5b) this.byte(0x2c);
  }

  value(v: Json): void {
    switch (v.kind) {
      case Kind.Null: return this.ascii("null");
      case Kind.False: return this.ascii("false");
      case Kind.True: return this.ascii("true");
      case Kind.Number: return this.ascii(v.scalar);
      case Kind.String: return this.string(v.text);
    }
    const object = v.kind == Kind.Object;
    this.byte(object ? 0x7b : 0x5b);
    const members = v.values;
    for (let i = 0; i < members.length; i++) {
      if (object) this.name(members[i].key);
      else this.between();
      this.value(members[i]);
    }
    this.byte(object ? 0x7d : 0x5d);
  }

  /** string writes a string. Half of a surrogate pair becomes U+FFFD. */
  string(s: string): void {
    const length = s.length;
    this.need(6 * length + 2);
    let to = changetype<usize>(this.bytes) + this.size;
    store<u8>(to++, QUOTE);
    for (let i = 0; i < length; i++) {
      let c: u32 = s.charCodeAt(i);
      if (c >= 0x20 && c < 0x80 && c != QUOTE && c != BACKSLASH) {
        store<u8>(to++, c);
      } else if (c >= 0x80) {
        if (c >> 10 == 0x36 && i + 1 < length && s.charCodeAt(i + 1) >> 10 == 0x37) {
          c = 0x10000 + ((c & 0x3ff) << 10) + (s.charCodeAt(++i) & 0x3ff);
        }
        to = putRune(to, c >> 11 == 0x1b ? 0xfffd : c);
      } else {
        store<u8>(to++, BACKSLASH);
        if (c < 0x20) {
          store<u32>(to, 0x30303075); // u000
          if (c > 15) store<u8>(to, 0x31, 3);
          to += 4;
          c &= 15;
          c += c < 10 ? 0x30 : 0x61 - 10;
        }
        store<u8>(to++, c);
      }
    }
    store<u8>(to++, QUOTE);
    this.size = to - changetype<usize>(this.bytes);
  }

  /** ascii writes ASCII as it is. */
  ascii(s: string): void {
    this.need(s.length);
    for (let i = 0; i < s.length; i++) store<u8>(changetype<usize>(this.bytes) + this.size++, s.charCodeAt(i));
  }

  private byte(c: u32): void {
    this.need(1);
    store<u8>(changetype<usize>(this.bytes) + this.size++, c);
  }

  private need(more: usize): void {
    if (this.size + more <= <usize>this.bytes.byteLength) return;
    const bytes = new ArrayBuffer(2 * <i32>(this.size + more));
    memory.copy(changetype<usize>(bytes), changetype<usize>(this.bytes), this.size);
    this.bytes = bytes;
  }
}
