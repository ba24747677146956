// A connector built with the AssemblyScript compiler's defaults: it imports env.abort.
// @ts-ignore: decorator
@external("crmgate_v1", "output")
declare function output(ptr: usize, len: i32): void;

function reply(text: string): i32 {
  const b = String.UTF8.encode(text);
  output(changetype<usize>(b), b.byteLength);
  return 0;
}

export function getAuthType(): i32 { return reply('{"type":"oauth"}'); }
export function getOauthInfo(): i32 { return reply('{"accessTokenUri":"http://127.0.0.1:8081/oauth/token"}'); }
export function getUserInfo(): i32 { return reply('{"successful":false,"returnMessage":{"message":"no"}}'); }
