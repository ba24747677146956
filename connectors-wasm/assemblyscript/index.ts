// The SDK for connectors in AssemblyScript. A connector exports a function for each operation that it implements, with the operation's
// name, which calls answer:
//
//   export function getAuthType(): i32 { return answer<None, AuthType>(() => new AuthType("oauth")); }
//
// Each call begins with the memory that the module had when it was loaded: variables keep nothing between calls.

export * from "./assembly/json";
export * from "./assembly/documents";
export * from "./assembly/host";
