package prelude

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Module is an ES module that a connector may import.
type Module struct {
	Name   string
	Source string
}

// exports lists what each module exports beside its default export.
var exports = map[string]string{
	"axios": "AxiosError, AxiosHeaders, Cancel, CanceledError, HttpStatusCode, VERSION, all, axios, create, defaults, delete as _delete, get, getUri, head, " +
		"interceptors, isAxiosError, isCancel, mergeConfig, options, patch, patchForm, post, postForm, put, putForm, request, spread",
	"buffer":      "Buffer, atob, btoa",
	"crypto":      "createHash, createHmac, getHashes, getRandomValues, randomBytes, randomInt, randomUUID, subtle, timingSafeEqual, webcrypto",
	"querystring": "decode, encode, escape, parse, stringify, unescape",
	"url":         "URL, URLSearchParams, format, parse, resolve",
	"util":        "TextDecoder, TextEncoder, format, inherits, inspect, promisify, types",
}

// Imports returns the modules that a connector's text may import, as the engine is to know them before the connector: each is
// evaluated as a module under its name. The text is not parsed: a module that it only mentions may be among them.
func Imports(source string) (modules []Module) {
	for _, name := range slices.Sorted(maps.Keys(exports)) {
		for _, as := range []string{name, "node:" + name} {
			if strings.Contains(source, `"`+as+`"`) || strings.Contains(source, `'`+as+`'`) {
				modules = append(modules, Module{as, moduleSource(name, exports[name])})
			}
		}
	}
	return modules
}

func moduleSource(name, names string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "const module = require(%q);\nexport default module;\n", name)
	for _, name := range strings.Split(names, ", ") {
		if member, local, renamed := strings.Cut(name, " as "); renamed {
			fmt.Fprintf(&b, "const %s = module.%s;\nexport {%s as %s};\n", local, member, local, member)
		} else {
			fmt.Fprintf(&b, "export const %s = module.%s;\n", name, name)
		}
	}
	return b.String()
}
