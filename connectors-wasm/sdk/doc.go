// Package sdk is what a connector written in Go needs: the types of the ABI's documents, and the host's doors as
// functions. ../ABI.md is the text that it follows.
//
// A connector is a main package that exports a function for each operation that it has; an export that is missing is an
// operation that it does not have:
//
//	//go:wasmexport getUserInfo
//	func getUserInfo() int32 { return sdk.Answer(userInfo) }
//
//	func userInfo(r sdk.UserInfoRequest) (sdk.UserInfo, error) { … }
//
// Build it with
//
//	GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared -o name.wasm
//
// Everywhere else than in wasm the doors lead to the Host that SetHost was given, so that a connector's functions are
// tested with go test like any others.
package sdk
