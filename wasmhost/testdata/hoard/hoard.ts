// See main.go. This one keeps the header in a global and in an array.
import { answer, unsupported, Application, AuthType, None, OauthInfoRequest, PlatformUserInfo, UserInfo, UserInfoRequest } from "@crmgate/assemblyscript";

let previous: string | null = null;
const kept: string[] = [];

export function getAuthType(): i32 { return answer<None, AuthType>(() => new AuthType("oauth")); }
export function getOauthInfo(): i32 { return answer<OauthInfoRequest, Application>(() => unsupported<Application>()); }
export function getUserInfo(): i32 {
  return answer<UserInfoRequest, UserInfo>(request => {
    const id = previous !== null ? previous! : kept.length > 0 ? kept[0] : "none";
    previous = request.authHeader;
    for (let i = 0; i < 1000; i++) kept.push(request.authHeader + i.toString());
    return UserInfo.of(new PlatformUserInfo(id));
  });
}
