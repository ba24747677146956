// See fails.c.
// @ts-ignore: decorator
@external("crmgate_v1", "output")
declare function output(ptr: usize, len: i32): void;
// @ts-ignore: decorator
@external("crmgate_v1", "input")
declare function input(ptr: usize, cap: i32): i32;
// @ts-ignore: decorator
@external("crmgate_v1", "fetch")
declare function fetch(ptr: usize, len: i32): i32;
// @ts-ignore: decorator
@external("crmgate_v1", "config")
declare function config(ptr: usize, len: i32): i32;
// @ts-ignore: decorator
@external("crmgate_v1", "take")
declare function take(ptr: usize, cap: i32): i32;
// @ts-ignore: decorator
@external("crmgate_v1", "log")
declare function log(level: i32, ptr: usize, len: i32): void;
// @ts-ignore: decorator
@external("crmgate_v1", "now")
declare function now(): i64;
// @ts-ignore: decorator
@external("crmgate_v1", "random")
declare function random(ptr: usize, len: i32): void;

function reply(text: string, result: i32): i32 {
  const b = String.UTF8.encode(text);
  output(changetype<usize>(b), b.byteLength);
  return result;
}

function taken(size: i32): string {
  if (size <= 0) return "";
  const b = new ArrayBuffer(size);
  take(changetype<usize>(b), size);
  return String.UTF8.decode(b);
}

function say(text: string): void {
  const b = String.UTF8.encode(text);
  log(1, changetype<usize>(b), b.byteLength);
}

function see(): string {
  const dice = new Uint8Array(8);
  random(dice.dataStart, 8);
  return "at " + now().toString() + " " + dice.join(" ");
}

function parse_name(answer: string): i32 {
  if (answer.indexOf('\\"name\\":') < 0) unreachable();
  return 0;
}

export function getAuthType(): i32 { return reply('{"type":"oauth"}', 0); }
export function getOauthInfo(): i32 { return 2; }
export function getUserInfo(): i32 { return 2; }

export function authValidation(): i32 {
  const name = String.UTF8.encode("FAILS_SECRET");
  say(taken(config(changetype<usize>(name), name.byteLength)));
  const b = new ArrayBuffer(input(0, 0));
  input(changetype<usize>(b), b.byteLength);
  const header = String.UTF8.decode(b).split('"authHeader":"')[1].split('"')[0];
  const request = String.UTF8.encode('{"method":"GET","url":"https://fails.example/me","headers":{"Authorization":"' + header + '"}}');
  const answer = taken(fetch(changetype<usize>(request), request.byteLength));
  say(see());
  return parse_name(answer);
}

export function getLicenseStatus(): i32 { return reply('{"message":"' + see() + '"}', 1); }

export function refreshUserInfo(): i32 {
  let n = 0;
  while (n >= 0) n = (n + 1) & 0xffff;
  return n;
}
