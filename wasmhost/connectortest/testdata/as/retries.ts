// Retries until the CRM answers 200.
// @ts-ignore: decorator
@external("crmgate_v1", "output")
declare function output(ptr: usize, len: i32): void;
// @ts-ignore: decorator
@external("crmgate_v1", "fetch")
declare function fetch(ptr: usize, len: i32): i32;
// @ts-ignore: decorator
@external("crmgate_v1", "input")
declare function input(ptr: usize, cap: i32): i32;
// @ts-ignore: decorator
@external("crmgate_v1", "take")
declare function take(ptr: usize, cap: i32): i32;

function reply(text: string): i32 {
  const b = String.UTF8.encode(text);
  output(changetype<usize>(b), b.byteLength);
  return 0;
}

function taken(n: i32): string {
  const b = new ArrayBuffer(n);
  take(changetype<usize>(b), n);
  return String.UTF8.decode(b);
}

function ask(): string {
  const in_ = new ArrayBuffer(input(0, 0));
  input(changetype<usize>(in_), in_.byteLength);
  const auth = String.UTF8.decode(in_).split('"authHeader":"')[1].split('"')[0];
  const r = String.UTF8.encode('{"method":"GET","url":"http://127.0.0.1:8081/api/me","headers":{"Authorization":"' + auth + '"}}');
  return taken(fetch(changetype<usize>(r), r.byteLength));
}

export function getAuthType(): i32 { return reply('{"type":"oauth"}'); }
export function getOauthInfo(): i32 { return reply('{"accessTokenUri":"http://127.0.0.1:8081/oauth/token"}'); }
export function getUserInfo(): i32 {
  for (;;) {
    const a = ask();
    if (a.includes('"status":401')) return reply('{"successful":false,"returnMessage":{"message":"The CRM did not accept the sign-in."}}');
    if (a.includes('"status":200') && a.includes('\\"email\\":')) {
      return reply('{"successful":true,"platformUserInfo":{"id":"' + a.split('\\"id\\":')[1].split(",")[0] + '-retries","name":"Ada"}}');
    }
  }
  return 0;
}
