// The documents of ABI.md, member by member. An optional text is "" if it is missing, and anything else null.

import { Json, Kind, Writer } from "./json";

/** Fields reads a document, or writes it. Each document names its members once, for both. */
export class Fields {
  /** What is wrong with the document that was read, "" if nothing is. */
  problem: string = "";
  private from: Json = new Json(Kind.Null);
  private to: Writer | null = null;

  static reading(from: Json): Fields {
    const f = new Fields();
    f.from = from;
    if (from.kind != Kind.Object) f.problem = "the document has no object where one is expected";
    return f;
  }

  static writing(to: Writer): Fields {
    const f = new Fields();
    f.to = to;
    return f;
  }

  private find(name: string, required: bool): Json {
    const v = this.from.get(name);
    if (v.isNull && required && this.problem == "") this.problem = "the document lacks a member: " + name;
    return v;
  }

  private check(ok: bool, name: string): void {
    if (!ok && this.problem == "") this.problem = "a member of the document has another type than expected: " + name;
  }

  text(name: string, value: string, required: bool = false): string {
    const to = this.to;
    if (to) {
      if (value != "" || required) {
        to.name(name);
        to.string(value);
      }
      return value;
    }
    const v = this.find(name, required);
    this.check(v.isNull || v.kind == Kind.String, name);
    return v.text;
  }

  /** words reads a list, too. */
  words(name: string, value: string): string {
    const v = this.find(name, false);
    if (this.to || v.kind != Kind.Array) return this.text(name, value);
    const list = v.values;
    let joined = "";
    for (let i = 0; i < list.length; i++) {
      this.check(list[i].kind == Kind.String, name);
      joined += (i ? " " : "") + list[i].text;
    }
    return joined;
  }

  flag(name: string, value: bool, required: bool = false): bool {
    const to = this.to;
    if (to) {
      to.name(name);
      to.ascii(value ? "true" : "false");
      return value;
    }
    const v = this.find(name, required);
    this.check(v.isNull || v.kind == Kind.True || v.kind == Kind.False, name);
    return v.kind != Kind.False;
  }

  /** integer leaves out 0. */
  integer(name: string, value: i64): i64 {
    const to = this.to;
    if (to) {
      if (value) {
        to.name(name);
        to.ascii(value.toString());
      }
      return value;
    }
    const v = this.find(name, false);
    if (v.isNull) return 0;
    const n = I64.parseInt(v.scalar);
    this.check(n.toString() == v.scalar, name);
    return n;
  }

  json(name: string, value: Json | null, required: bool = false): Json | null {
    const to = this.to;
    if (to) {
      if (value && !value.isNull) {
        to.name(name);
        to.value(value);
      } else if (required) {
        this.problem = "the answer lacks a member: " + name;
      }
      return value;
    }
    const v = this.find(name, required);
    return v.isNull ? null : v;
  }

  texts(name: string, value: Map<string, string>, required: bool = false): Map<string, string> {
    const to = this.to;
    if (to) {
      if (value.size == 0 && !required) return value;
      to.name(name);
      to.begin(0x7b);
      const names = value.keys(), values = value.values();
      for (let i = 0; i < names.length; i++) {
        to.name(names[i]);
        to.string(values[i]);
      }
      to.end(0x7d);
      return value;
    }
    const v = this.find(name, required), all = new Map<string, string>();
    this.check(v.isNull || v.kind == Kind.Object, name);
    const list = v.values;
    for (let i = 0; i < list.length; i++) {
      this.check(list[i].kind == Kind.String, name);
      all.set(list[i].key, list[i].text);
    }
    return all;
  }

  one<T extends Document>(name: string, value: T | null, required: bool = false): T | null {
    const to = this.to;
    if (to) {
      if (value) {
        to.name(name);
        this.write(value, to);
      } else if (required) {
        this.problem = "the answer lacks a member: " + name;
      }
      return value;
    }
    const v = this.find(name, required);
    return v.isNull ? null : this.read<T>(v);
  }

  list<T extends Document>(name: string, value: T[], required: bool = false): T[] {
    const to = this.to;
    if (to) {
      if (value.length == 0 && !required) return value;
      to.name(name);
      to.begin(0x5b);
      for (let i = 0; i < value.length; i++) {
        to.between();
        this.write(value[i], to);
      }
      to.end(0x5d);
      return value;
    }
    const v = this.find(name, required), all: T[] = [];
    this.check(v.isNull || v.kind == Kind.Array, name);
    const from = v.values;
    for (let i = 0; i < from.length; i++) all.push(this.read<T>(from[i]));
    return all;
  }

  /** whole is the document itself. */
  whole(value: Json): Json {
    const to = this.to;
    if (!to) return this.from;
    to.value(value);
    return value;
  }

  private read<T extends Document>(from: Json): T {
    const below = Fields.reading(from), value = instantiate<T>();
    value.visit(below);
    if (this.problem == "") this.problem = below.problem;
    return value;
  }

  private write(value: Document, to: Writer): void {
    const problem = value.write(to);
    if (this.problem == "") this.problem = problem;
  }
}

/** Document is the request or the answer of an operation, or a part of one. */
export class Document {
  /** visit passes each member to f, and takes what that returns. */
  visit(f: Fields): void {}

  /** read takes the members of a JSON object. It returns what is wrong with it, or "". */
  read(from: Json): string {
    const f = Fields.reading(from);
    this.visit(f);
    return f.problem;
  }

  /** write writes the document. It returns what is wrong with it, or "". */
  write(to: Writer): string {
    const f = Fields.writing(to);
    to.begin(0x7b);
    this.visit(f);
    to.end(0x7d);
    return f.problem;
  }
}

/** None is the request of getAuthType. */
export class None extends Document {}

/** AuthType is getAuthType's answer: "oauth" or "apiKey", as the manifest says. */
export class AuthType extends Document {
  constructor(public type: string = "") { super(); }
  visit(f: Fields): void { this.type = f.text("type", this.type, true); }
}

export class OauthInfoRequest extends Document {
  hostname: string = "";
  tokenUrl: string = "";
  rcAccountId: string = "";
  userEmail: string = "";
  username: string = "";
  visit(f: Fields): void {
    this.hostname = f.text("hostname", this.hostname);
    this.tokenUrl = f.text("tokenUrl", this.tokenUrl);
    this.rcAccountId = f.text("rcAccountId", this.rcAccountId);
    this.userEmail = f.text("userEmail", this.userEmail);
    this.username = f.text("username", this.username);
  }
}

/** Application is getOauthInfo's answer, and the oauthInfo of other requests. */
export class Application extends Document {
  clientId: string = "";
  clientSecret: string = "";
  accessTokenUri: string = "";
  authorizationUri: string = "";
  redirectUri: string = "";
  /** Separated by blanks. */
  scopes: string = "";
  hostname: string = "";
  revocationUri: string = "";
  /** "basic", "basicRaw", "body" or "none". */
  tokenAuth: string = "";
  /** The same in the words of RFC 7591. */
  tokenEndpointAuthMethod: string = "";
  /** Ends the sign-in with this text for the person. */
  failMessage: string = "";
  visit(f: Fields): void {
    this.clientId = f.text("clientId", this.clientId);
    this.clientSecret = f.text("clientSecret", this.clientSecret);
    this.accessTokenUri = f.text("accessTokenUri", this.accessTokenUri);
    this.authorizationUri = f.text("authorizationUri", this.authorizationUri);
    this.redirectUri = f.text("redirectUri", this.redirectUri);
    this.scopes = f.words("scopes", this.scopes);
    this.hostname = f.text("hostname", this.hostname);
    this.revocationUri = f.text("revocationUri", this.revocationUri);
    this.tokenAuth = f.text("tokenAuth", this.tokenAuth);
    this.tokenEndpointAuthMethod = f.text("tokenEndpointAuthMethod", this.tokenEndpointAuthMethod);
    this.failMessage = f.text("failMessage", this.failMessage);
  }
}

export class OverridingOptionRequest extends Document {
  code: string = "";
  /** The state with which the CRM sent the browser back. */
  state: string = "";
  oauthInfo: Application | null = null;
  visit(f: Fields): void {
    this.code = f.text("code", this.code, true);
    this.state = f.text("state", this.state);
    this.oauthInfo = f.one<Application>("oauthInfo", this.oauthInfo, true);
  }
}

/** OverridingOption has what is added to the token request. A header with an empty value is removed. */
export class OverridingOption extends Document {
  headers: Map<string, string> = new Map();
  query: Map<string, string> = new Map();
  body: Map<string, string> = new Map();
  visit(f: Fields): void {
    this.headers = f.texts("headers", this.headers);
    this.query = f.texts("query", this.query);
    this.body = f.texts("body", this.body);
  }
}

export class BasicAuthRequest extends Document {
  apiKey: string = "";
  visit(f: Fields): void { this.apiKey = f.text("apiKey", this.apiKey, true); }
}

/** BasicAuth has the credentials after "Basic ", or the whole value of the header Authorization. */
export class BasicAuth extends Document {
  basic: string = "";
  header: string = "";
  visit(f: Fields): void {
    this.basic = f.text("basic", this.basic);
    this.header = f.text("header", this.header);
  }
}

export class UserInfoRequest extends Document {
  authHeader: string = "";
  hostname: string = "";
  platform: string = "";
  query: Map<string, string> = new Map();
  callbackUri: string = "";
  tokenUrl: string = "";
  apiUrl: string = "";
  username: string = "";
  /** The answer of the token endpoint, without tokens. */
  data: Json | null = null;
  apiKey: string = "";
  /** The values of the form. */
  additionalInfo: Json | null = null;
  visit(f: Fields): void {
    this.authHeader = f.text("authHeader", this.authHeader, true);
    this.hostname = f.text("hostname", this.hostname, true);
    this.platform = f.text("platform", this.platform, true);
    this.query = f.texts("query", this.query);
    this.callbackUri = f.text("callbackUri", this.callbackUri);
    this.tokenUrl = f.text("tokenUrl", this.tokenUrl);
    this.apiUrl = f.text("apiUrl", this.apiUrl);
    this.username = f.text("username", this.username);
    this.data = f.json("data", this.data);
    this.apiKey = f.text("apiKey", this.apiKey);
    this.additionalInfo = f.json("additionalInfo", this.additionalInfo);
  }
}

export class PlatformUserInfo extends Document {
  timezoneName: string = "";
  /** A number or a string. */
  timezoneOffset: Json | null = null;
  platformAdditionalInfo: Json | null = null;
  overridingHostname: string = "";
  overridingApiKey: string = "";
  constructor(public id: string = "", public name: string = "") { super(); }
  visit(f: Fields): void {
    this.id = f.text("id", this.id, true);
    this.name = f.text("name", this.name, true);
    this.timezoneName = f.text("timezoneName", this.timezoneName);
    this.timezoneOffset = f.json("timezoneOffset", this.timezoneOffset);
    this.platformAdditionalInfo = f.json("platformAdditionalInfo", this.platformAdditionalInfo);
    this.overridingHostname = f.text("overridingHostname", this.overridingHostname);
    this.overridingApiKey = f.text("overridingApiKey", this.overridingApiKey);
  }
}

/** ReturnMessage is the toast that the client shows. */
export class ReturnMessage extends Document {
  details: Detail[] = [];
  /** messageType is "success", "warning", "danger" or "error", and ttl a number of milliseconds. */
  constructor(public messageType: string = "", public message: string = "", public ttl: i64 = 0) { super(); }
  visit(f: Fields): void {
    this.message = f.text("message", this.message, true);
    this.messageType = f.text("messageType", this.messageType);
    this.ttl = f.integer("ttl", this.ttl);
    this.details = f.list<Detail>("details", this.details);
  }
}

export class Detail extends Document {
  constructor(public title: string = "", public items: DetailItem[] = []) { super(); }
  visit(f: Fields): void {
    this.title = f.text("title", this.title, true);
    this.items = f.list<DetailItem>("items", this.items, true);
  }
}

export class DetailItem extends Document {
  constructor(public id: string = "", public text: string = "", public type: string = "text") { super(); }
  visit(f: Fields): void {
    this.id = f.text("id", this.id, true);
    this.type = f.text("type", this.type, true);
    this.text = f.text("text", this.text, true);
  }
}

/** UserInfo is getUserInfo's answer. */
export class UserInfo extends Document {
  successful: bool = false;
  platformUserInfo: PlatformUserInfo | null = null;
  returnMessage: ReturnMessage | null = null;

  /** of is the answer with a person. */
  static of(person: PlatformUserInfo, message: ReturnMessage | null = null): UserInfo {
    const u = new UserInfo();
    u.successful = true;
    u.platformUserInfo = person;
    u.returnMessage = message;
    return u;
  }

  /** refused is the answer if the CRM does not accept the credential. */
  static refused(message: ReturnMessage): UserInfo {
    const u = new UserInfo();
    u.returnMessage = message;
    return u;
  }

  visit(f: Fields): void {
    this.successful = f.flag("successful", this.successful, true);
    this.platformUserInfo = f.one<PlatformUserInfo>("platformUserInfo", this.platformUserInfo);
    this.returnMessage = f.one<ReturnMessage>("returnMessage", this.returnMessage);
  }
}

/** User is a signed-in person. */
export class User extends Document {
  id: string = "";
  platform: string = "";
  hostname: string = "";
  rcAccountId: string = "";
  timezoneName: string = "";
  timezoneOffset: Json | null = null;
  /** RFC 3339. */
  tokenExpiry: string = "";
  platformAdditionalInfo: Json | null = null;
  visit(f: Fields): void {
    this.id = f.text("id", this.id, true);
    this.platform = f.text("platform", this.platform, true);
    this.hostname = f.text("hostname", this.hostname, true);
    this.rcAccountId = f.text("rcAccountId", this.rcAccountId);
    this.timezoneName = f.text("timezoneName", this.timezoneName);
    this.timezoneOffset = f.json("timezoneOffset", this.timezoneOffset);
    this.tokenExpiry = f.text("tokenExpiry", this.tokenExpiry);
    this.platformAdditionalInfo = f.json("platformAdditionalInfo", this.platformAdditionalInfo);
  }
}

/** Person is the request of the operations on a signed-in person. */
export class Person extends Document {
  user: User | null = null;
  authHeader: string = "";
  refreshToken: string = "";
  visit(f: Fields): void {
    this.user = f.one<User>("user", this.user, true);
    this.authHeader = f.text("authHeader", this.authHeader, true);
    this.refreshToken = f.text("refreshToken", this.refreshToken);
  }
}

/** UserChange has members that are merged over the stored ones. */
export class UserChange extends Document {
  constructor(public platformAdditionalInfo: Json | null = null) { super(); }
  visit(f: Fields): void { this.platformAdditionalInfo = f.json("platformAdditionalInfo", this.platformAdditionalInfo, true); }
}

/** Outcome is the answer of authValidation, refreshUserInfo, unAuthorize and postSaveUserInfo. */
export class Outcome extends Document {
  user: UserChange | null = null;
  constructor(public successful: bool = true, public returnMessage: ReturnMessage | null = null) { super(); }
  visit(f: Fields): void {
    this.successful = f.flag("successful", this.successful);
    this.returnMessage = f.one<ReturnMessage>("returnMessage", this.returnMessage);
    this.user = f.one<UserChange>("user", this.user);
  }
}

/** LicenseStatus is getLicenseStatus's answer: any object, which the client gets unchanged. of makes the usual one. */
export class LicenseStatus extends Document {
  constructor(public object: Json = Json.object()) { super(); }

  static of(isLicenseValid: bool, licenseStatus: string, licenseStatusDescription: string): LicenseStatus {
    return new LicenseStatus(Json.object().set("isLicenseValid", Json.bool(isLicenseValid))
      .set("licenseStatus", Json.string(licenseStatus)).set("licenseStatusDescription", Json.string(licenseStatusDescription)));
  }

  visit(f: Fields): void { this.object = f.whole(this.object); }

  write(to: Writer): string {
    this.visit(Fields.writing(to));
    return "";
  }
}

export class RefreshRequest extends Document {
  user: User | null = null;
  authHeader: string = "";
  oauthInfo: Application | null = null;
  refreshToken: string = "";
  visit(f: Fields): void {
    this.user = f.one<User>("user", this.user, true);
    this.authHeader = f.text("authHeader", this.authHeader, true);
    this.oauthInfo = f.one<Application>("oauthInfo", this.oauthInfo, true);
    this.refreshToken = f.text("refreshToken", this.refreshToken);
  }
}

/** Refreshed is checkAndRefreshAccessToken's answer. Without a refresh token the old one is kept. */
export class Refreshed extends Document {
  user: UserChange | null = null;
  /** expiresIn is a number of seconds, 0 if the lifetime is unknown. */
  constructor(public accessToken: string = "", public refreshToken: string = "", public expiresIn: i64 = 0) { super(); }
  visit(f: Fields): void {
    this.accessToken = f.text("accessToken", this.accessToken, true);
    this.refreshToken = f.text("refreshToken", this.refreshToken);
    this.expiresIn = f.integer("expiresIn", this.expiresIn);
    this.user = f.one<UserChange>("user", this.user);
  }
}

export class ManagedAuthRequest extends Document {
  fieldConst: string = "";
  accountValues: Map<string, string> = new Map();
  visit(f: Fields): void {
    this.fieldConst = f.text("fieldConst", this.fieldConst, true);
    this.accountValues = f.texts("accountValues", this.accountValues, true);
  }
}

export class ManagedAuthOptions extends Document {
  constructor(public options: ManagedAuthOption[] = []) { super(); }
  visit(f: Fields): void { this.options = f.list<ManagedAuthOption>("options", this.options, true); }
}

export class ManagedAuthOption extends Document {
  constructor(public value: string = "", public label: string = "") { super(); }
  visit(f: Fields): void {
    this.value = f.text("value", this.value, true);
    this.label = f.text("label", this.label, true);
  }
}
