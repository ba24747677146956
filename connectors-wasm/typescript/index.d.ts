// Types of the operations of a connector. ABI.md says what each member means.

/** A value that JSON can hold. */
export type Json = null | boolean | number | string | Json[] | { [name: string]: Json };

export interface AuthType {
  type: 'oauth' | 'apiKey';
}

export interface Application {
  clientId?: string;
  clientSecret?: string;
  accessTokenUri?: string;
  authorizationUri?: string;
  redirectUri?: string;
  scopes?: string | string[];
  hostname?: string;
  revocationUri?: string;
  tokenAuth?: 'basic' | 'basicRaw' | 'body' | 'none';
  tokenEndpointAuthMethod?: 'client_secret_basic' | 'client_secret_post' | 'none';
  failMessage?: string;
}

export interface OauthInfoRequest {
  hostname?: string;
  tokenUrl?: string;
  rcAccountId?: string;
  userEmail?: string;
  username?: string;
}

export interface OverridingOptionRequest {
  code: string;
  state?: string;
  oauthInfo: Application;
}

export interface OverridingOption {
  /** An empty or undefined header is not sent. */
  headers?: Record<string, string | undefined>;
  query?: Record<string, string>;
  body?: Record<string, string>;
}

export interface UserInfoRequest {
  authHeader: string;
  hostname: string;
  platform: string;
  query: Record<string, string>;
  callbackUri?: string;
  tokenUrl?: string;
  apiUrl?: string;
  username?: string;
  /** The answer of the token endpoint, without tokens. */
  data?: Record<string, any>;
  /** The values of the form. */
  apiKey?: string;
  additionalInfo?: Record<string, any>;
}

export interface PlatformUserInfo {
  id: string | number;
  name: string;
  timezoneName?: string;
  timezoneOffset?: number | string | null;
  platformAdditionalInfo?: Record<string, any>;
  overridingHostname?: string;
  overridingApiKey?: string;
}

export interface ReturnMessage {
  message: string;
  messageType?: 'success' | 'warning' | 'danger' | 'error';
  /** Milliseconds. */
  ttl?: number;
  details?: { title: string; items: { id: string; type: 'text'; text: string }[] }[];
}

export type UserInfoAnswer =
  | { successful: true; platformUserInfo: PlatformUserInfo; returnMessage?: ReturnMessage }
  | { successful: false; returnMessage?: ReturnMessage };

/** A stored user. save and update keep changes of platformAdditionalInfo for the answer. */
export interface User {
  readonly id: string;
  readonly platform: string;
  readonly hostname: string;
  readonly rcAccountId?: string;
  readonly timezoneName?: string;
  readonly timezoneOffset?: number | string;
  /** Not there with an API key. */
  accessToken?: string;
  /** Only in checkAndRefreshAccessToken. */
  refreshToken?: string;
  tokenExpiry?: Date | number | string;
  platformAdditionalInfo: Record<string, any>;
  save(): Promise<User>;
  update(values: { platformAdditionalInfo: Record<string, any> }): Promise<User>;
  destroy(): Promise<void>;
}

export interface Person {
  user: User;
  authHeader: string;
}

export interface Outcome {
  successful?: boolean;
  returnMessage?: ReturnMessage;
  user?: { platformAdditionalInfo?: Record<string, any> };
}

export interface LicenseStatus {
  isLicenseValid: boolean;
  licenseStatus?: string;
  licenseStatusDescription?: string;
  [name: string]: Json | undefined;
}

export interface Token {
  accessToken: string;
  refreshToken?: string;
  expires?: Date;
  data: Record<string, any>;
  /** Sends a standard refresh request. The manifest must reveal clientSecret. */
  refresh(): Promise<Token>;
}

/** The ABI's input, and App Connect's application. */
export interface OauthApp extends Person {
  oauthInfo: Application;
  refreshToken: string;
  createToken(accessToken: string, refreshToken?: string): Token;
}

export interface Refreshed {
  accessToken: string;
  refreshToken?: string;
  /** Seconds. */
  expiresIn?: number | string;
  user?: { platformAdditionalInfo?: Record<string, any> };
}

export interface ManagedAuthOption {
  value: string | number;
  label: string | number;
}

type Answer<T> = T | Promise<T>;

export type GetAuthType = () => Answer<AuthType | AuthType['type']>;
export type GetOauthInfo = (request: OauthInfoRequest) => Answer<Application>;
export type GetOverridingOAuthOption = (request: OverridingOptionRequest) => Answer<OverridingOption | null | undefined>;
export type GetBasicAuth = (request: { apiKey: string }) => Answer<string | { basic: string } | { header: string }>;
export type GetUserInfo = (request: UserInfoRequest) => Answer<UserInfoAnswer>;
export type AuthValidation = (request: Person) => Answer<Outcome & { successful: boolean }>;
export type RefreshUserInfo = (request: Person) => Answer<Outcome & { successful: boolean }>;
/** refreshToken is there if the manifest reveals it and the grant has one. */
export type UnAuthorize = (request: Person & { refreshToken?: string }) => Answer<Outcome | void>;
export type PostSaveUserInfo = (request: Person & { userInfo: User }) => Answer<Outcome | void>;
export type GetLicenseStatus = (request: Person & { userId: string; platform: string }) => Answer<LicenseStatus>;
export type CheckAndRefreshAccessToken = (oauthApp: OauthApp, user: User, tokenLockTimeout: number) => Answer<Refreshed | User>;
export type GetManagedAuthOptions = (request: { fieldConst: string; accountValues: Record<string, string> }) =>
  Answer<ManagedAuthOption[] | { options: ManagedAuthOption[] }>;

/** What a connector exports: getAuthType and getUserInfo, getOauthInfo for oauth, getBasicAuth for apiKey, and what else it needs. */
export interface Connector {
  getAuthType: GetAuthType;
  getUserInfo: GetUserInfo;
  getOauthInfo?: GetOauthInfo;
  getOverridingOAuthOption?: GetOverridingOAuthOption;
  getBasicAuth?: GetBasicAuth;
  authValidation?: AuthValidation;
  refreshUserInfo?: RefreshUserInfo;
  unAuthorize?: UnAuthorize;
  postSaveUserInfo?: PostSaveUserInfo;
  getLicenseStatus?: GetLicenseStatus;
  checkAndRefreshAccessToken?: CheckAndRefreshAccessToken;
  getManagedAuthOptions?: GetManagedAuthOptions;
}

declare global {
  const crmgate: {
    /** Computes a value from handles, for connectors with "secrets": "handles". It resolves to the handle of the value. */
    derive(request: Record<string, Json>): Promise<string>;
  };
}
