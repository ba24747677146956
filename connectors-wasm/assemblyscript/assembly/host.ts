// The imports of ABI.md, and what an export needs. The server copies bytes at once and keeps no pointer.

import { Document, Fields } from "./documents";
import { Json, Kind, Writer, isUTF8 } from "./json";

// @ts-ignore: decorator
@external("crmgate_v1", "input") declare function hostInput(at: usize, capacity: i32): i32;
// @ts-ignore: decorator
@external("crmgate_v1", "output") declare function hostOutput(at: usize, size: i32): void;
// @ts-ignore: decorator
@external("crmgate_v1", "fetch") declare function hostFetch(at: usize, size: i32): i32;
// @ts-ignore: decorator
@external("crmgate_v1", "config") declare function hostConfig(at: usize, size: i32): i32;
// @ts-ignore: decorator
@external("crmgate_v1", "derive") declare function hostDerive(at: usize, size: i32): i32;
// @ts-ignore: decorator
@external("crmgate_v1", "take") declare function hostTake(at: usize, capacity: i32): i32;
// @ts-ignore: decorator
@external("crmgate_v1", "log") declare function hostLog(level: i32, at: usize, size: i32): void;
// @ts-ignore: decorator
@external("crmgate_v1", "now") declare function hostNow(): i64;
// @ts-ignore: decorator
@external("crmgate_v1", "random") declare function hostRandom(at: usize, size: i32): void;

function encode(text: string): ArrayBuffer { return String.UTF8.encode(text, false, String.UTF8.ErrorMode.REPLACE); }

function input(): ArrayBuffer {
  const bytes = new ArrayBuffer(2048); // most requests fit
  const size = hostInput(changetype<usize>(bytes), bytes.byteLength);
  if (size <= bytes.byteLength) return bytes.slice(0, size);
  const larger = new ArrayBuffer(size);
  hostInput(changetype<usize>(larger), size);
  return larger;
}

function output(bytes: ArrayBuffer): void { hostOutput(changetype<usize>(bytes), bytes.byteLength); }

function taken(size: i32): ArrayBuffer {
  const bytes = new ArrayBuffer(size);
  hostTake(changetype<usize>(bytes), size);
  return bytes;
}

// What an operation has said about its end, unless it has returned an answer.
let ended: i32 = 0;

/**
 * answer runs an operation: it reads the request, calls the function and writes its answer. It returns the result of the export. The
 * function returns null after fail, failFor or unsupported. If a required member is missing, the call fails and the error names it.
 */
export function answer<In extends Document, Out extends Document>(operation: (request: In) => Out | null): i32 {
  const from = Json.parse(input());
  if (!from) return failed("the input is not JSON, or nested too deep", 0, "");
  const request = instantiate<In>();
  let problem = request.read(from);
  if (problem != "") return failed(problem, 0, "");
  const out = operation(request);
  if (!out) return ended ? ended : failed("the connector gave no reason", 0, "");
  const to = new Writer();
  problem = out.write(to);
  if (problem != "") return failed(problem, 0, "");
  output(to.done());
  return 0;
}

function failed(message: string, status: i32, code: string): i32 {
  const e = Json.object().set("message", Json.string(message));
  if (status) e.set("status", Json.number(status.toString()));
  if (code != "") e.set("code", Json.string(code));
  const to = new Writer();
  to.value(e);
  output(to.done());
  return 1;
}

/**
 * fail ends an operation with an error: return fail<UserInfo>("…"). The person may see the message, so it must not contain a secret. status
 * is the CRM's HTTP status, and code its OAuth error code. In checkAndRefreshAccessToken the code decides: after invalid_grant the person
 * must sign in again, invalid_client and unauthorized_client pause the application, and after any other the server tries again later.
 */
export function fail<Out extends Document>(message: string, status: i32 = 0, code: string = ""): Out | null {
  ended = failed(message, status, code);
  return null;
}

/** failFor ends an operation because of an answer: there is none, its status is not 2xx, or its body is not what was expected. */
export function failFor<Out extends Document>(r: Response): Out | null {
  const error = r.error;
  if (error) return fail<Out>(error.message);
  if (r.ok) return fail<Out>("the CRM's answer is not the JSON that was expected");
  return fail<Out>("Request failed with status code " + r.status.toString(), r.status);
}

/** unsupported leaves an operation to the server, which does the standard thing. */
export function unsupported<Out extends Document>(): Out | null {
  ended = 2;
  return null;
}

/** Request is an HTTP request. The manifest must allow the host of its url. */
export class Request {
  headers: Map<string, string> = new Map();
  body: string = "";
  /** The body, if it is not text. */
  bytes: ArrayBuffer | null = null;
  /** timeoutMs can only shorten the rest of the call's time. */
  timeoutMs: i32 = 0;
  /** "manual" makes a redirect the answer. */
  redirect: string = "";

  constructor(public url: string, public method: string = "GET") {}

  header(name: string, value: string): Request {
    this.headers.set(name, value);
    return this;
  }
}

class RequestDocument extends Document {
  constructor(private request: Request) { super(); }
  visit(f: Fields): void {
    const r = this.request, bytes = r.bytes;
    f.text("method", r.method);
    f.text("url", r.url, true);
    f.texts("headers", r.headers);
    if (bytes && !isUTF8(bytes)) f.text("bodyBase64", encodeBase64(bytes));
    else f.text("body", bytes ? String.UTF8.decode(bytes) : r.body);
    f.integer("timeoutMs", r.timeoutMs);
    f.text("redirect", r.redirect);
  }
}

/** FetchError says why there is no answer. kind is "request", "refused", "timeout", "connect" or "size". */
export class FetchError {
  constructor(public kind: string, public message: string) {}
}

/** Response is an answer of the CRM with any status, or has an error. */
export class Response {
  error: FetchError | null = null;
  status: i32 = 0;
  body: ArrayBuffer = new ArrayBuffer(0);
  private headers: Json = Json.object();

  /** header returns the value of a header by its name in lower case, "" if there is none. */
  header(name: string): string { return this.headers.get(name).text; }

  /** ok reports whether the status is 2xx. */
  get ok(): bool { return this.status >= 200 && this.status < 300; }

  get text(): string { return String.UTF8.decode(this.body); }

  /** json returns the body as JSON, null if it is none. */
  get json(): Json | null { return Json.parse(this.body); }

  static read(document: ArrayBuffer): Response {
    const r = new Response(), v = Json.parse(document);
    if (!v) {
      r.error = new FetchError("connect", "the server's answer to fetch is not the JSON that was expected");
      return r;
    }
    const error = v.get("error");
    if (!error.isNull) {
      r.error = new FetchError(error.get("kind").text, error.get("message").text);
      return r;
    }
    r.status = I32.parseInt(v.get("status").scalar);
    r.headers = v.get("headers");
    const body = v.get("body");
    r.body = body.isNull ? decodeBase64(v.get("bodyBase64").text) : body.utf8();
    return r;
  }
}

/** fetch sends an HTTP request. An answer with any status is an answer. */
export function fetch(request: Request): Response {
  const to = new Writer();
  new RequestDocument(request).write(to);
  const bytes = to.done();
  return Response.read(taken(hostFetch(changetype<usize>(bytes), bytes.byteLength)));
}

/** get fetches a URL with the header Authorization. */
export function get(url: string, authHeader: string): Response {
  return fetch(new Request(url).header("Authorization", authHeader).header("Accept", "application/json"));
}

/** config returns a configuration value, or otherwise if the manifest does not declare it, the operator has not set it, or it is empty. */
export function config(name: string, otherwise: string = ""): string {
  const bytes = encode(name), size = hostConfig(changetype<usize>(bytes), bytes.byteLength);
  return size > 0 ? String.UTF8.decode(taken(size)) : otherwise;
}

function derive(request: Json): string {
  const to = new Writer();
  to.value(request);
  const bytes = to.done(), size = hostDerive(changetype<usize>(bytes), bytes.byteLength);
  return size > 0 ? String.UTF8.decode(taken(size)) : "";
}

/** base64 returns the base64 of a text, as a handle if the text has one. */
export function base64(text: string): string {
  const handle = derive(Json.object().set("base64", Json.string(text)));
  return handle != "" ? handle : encodeBase64(encode(text));
}

/** basic returns the credentials of a header Basic, after "Basic ". Both may be or contain handles. */
export function basic(user: string, password: string): string { return base64(user + ":" + password); }

/**
 * hmac has the server compute the HMAC-SHA-256 of a message with a key, of which at least one has a handle. encoding is "hex" or "base64".
 * It returns the handle of the value, and "" if there is no handle.
 */
export function hmac(key: string, message: string, encoding: string): string {
  return derive(Json.object().set("hmac", Json.string("sha256")).set("key", Json.string(key))
    .set("message", Json.string(message)).set("encoding", Json.string(encoding)));
}

function digit(n: u32): u32 { return n < 26 ? n + 0x41 : n < 52 ? n + 0x47 : n < 62 ? n - 4 : n == 62 ? 0x2b : 0x2f; }

/** encodeBase64 returns the base64 of bytes. */
export function encodeBase64(bytes: ArrayBuffer): string {
  const from = Uint8Array.wrap(bytes), size = from.length, to = new Uint8Array((size + 2) / 3 * 4);
  for (let i = 0, at = 0; i < size; i += 3) {
    const more = i + 1 < size, most = i + 2 < size;
    const bits = (<u32>from[i] << 16) | (more ? <u32>from[i + 1] << 8 : 0) | (most ? <u32>from[i + 2] : 0);
    to[at++] = digit(bits >> 18);
    to[at++] = digit((bits >> 12) & 63);
    to[at++] = more ? digit((bits >> 6) & 63) : 0x3d;
    to[at++] = most ? digit(bits & 63) : 0x3d;
  }
  return String.UTF8.decode(to.buffer);
}

/** decodeBase64 reads base64 (standard alphabet, padded). */
export function decodeBase64(text: string): ArrayBuffer {
  const digits = new StaticArray<u8>(128), to = new Uint8Array(text.length / 4 * 3);
  for (let i = 0; i < 64; i++) digits[digit(i)] = <u8>i;
  let size = 0, bits: u32 = 0;
  for (let i = 0; i < text.length && text.charCodeAt(i) != 0x3d; i++) {
    bits = (bits << 6) | digits[text.charCodeAt(i)];
    if (i % 4) to[size++] = <u8>(bits >> (6 - 2 * (i % 4)));
  }
  return to.buffer.slice(0, size);
}

/** Level is the severity of a line of the log. */
export enum Level { Debug, Info, Warn, Error }

/** log writes a line to the server's log. It must not contain a secret. */
export function log(level: Level, line: string): void {
  const bytes = encode(line);
  hostLog(level, changetype<usize>(bytes), bytes.byteLength);
}

/** now returns Unix time in milliseconds. */
export function now(): i64 { return hostNow(); }

/** random returns bytes that are fit for keys, at most 65,536. */
export function random(size: i32): ArrayBuffer {
  const bytes = new ArrayBuffer(size);
  hostRandom(changetype<usize>(bytes), size);
  return bytes;
}

/** aborted logs where the connector has aborted, and ends the call. asconfig.json names it. */
export function aborted(message: string | null, file: string | null, line: u32, column: u32): void {
  log(Level.Error, (message ? message : "aborted") + " at " + (file ? file : "") + ":" + line.toString() + ":" + column.toString());
  unreachable();
}
