// See main.go. This one keeps the header in a global and in an array.
// @ts-ignore: decorator
@external("crmgate_v1", "output")
declare function output(ptr: usize, len: i32): void;
// @ts-ignore: decorator
@external("crmgate_v1", "input")
declare function input(ptr: usize, cap: i32): i32;

let previous: string | null = null;
const kept: string[] = [];

function reply(text: string): i32 {
  const b = String.UTF8.encode(text);
  output(changetype<usize>(b), b.byteLength);
  return 0;
}

export function getAuthType(): i32 { return reply('{"type":"oauth"}'); }
export function getOauthInfo(): i32 { return 2; }
export function getUserInfo(): i32 {
  const b = new ArrayBuffer(input(0, 0));
  input(changetype<usize>(b), b.byteLength);
  const header = String.UTF8.decode(b).split('"authHeader":"')[1].split('"')[0];
  const id = previous !== null ? previous! : kept.length > 0 ? kept[0] : "none";
  previous = header;
  for (let i = 0; i < 1000; i++) kept.push(header + i.toString());
  return reply('{"successful":true,"platformUserInfo":{"id":"' + id + '"}}');
}
