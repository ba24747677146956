package wasmhost

import (
	"crypto/sha256"
	_ "embed"
	"slices"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/manifest"
)

// A platform can be its manifest alone ([manifest.Data]). One script, which is part of the server, is the connector of all such platforms:
// one module in memory, and one process. It knows no platform. With each call it gets the platform's data beside the configuration, and
// hosts, configuration and secrets are those of the platform's manifest, as for every connector.

//go:embed data.js
var interpreterSource []byte

// interpreterName and interpreterFile name the interpreter in logs. They cannot be a platform's.
const (
	interpreterName = "crmgate"
	interpreterFile = "data" + scriptExt
)

// dataExt is the ending of a file that has a platform's data.
const dataExt = ".json"

// dataName names a platform's data in process.env. It cannot be a platform's configuration: that has an underscore.
const dataName = "crmgate"

// newInterpreter returns the module that interprets manifests.
func (h *Host) newInterpreter() *module {
	m := h.newModule(&manifest.Manifest{Platform: interpreterName}, interpreterFile, sha256.Sum256(interpreterSource), nil)
	m.embedded = interpreterSource
	return m
}

// newData returns the module of a platform that is its manifest alone. It has no code: its calls run on the interpreter.
func (h *Host) newData(m *manifest.Manifest, interpreter, was *module) *module {
	data := encode(m.Data)
	mod := h.newModule(m, string(m.Platform)+dataExt, dataSum(data), was)
	mod.interpreter, mod.embedded = interpreter, data
	mod.facts = dataFacts(m)
	return mod
}

// dataSum identifies data, and what interprets it.
func dataSum(data []byte) [sha256.Size]byte {
	interpreter := sha256.Sum256(interpreterSource)
	return sha256.Sum256(slices.Concat(interpreter[:], data))
}

// dataFacts returns what a platform that is its manifest alone implements. Nothing runs for it.
func dataFacts(m *manifest.Manifest) facts {
	f := facts{AuthType: m.AuthType, Exports: []string{"getAuthType", "getUserInfo"}, Restorable: true}
	if m.AuthType == manifest.OAuth {
		f.Exports = append(f.Exports, "getOauthInfo")
	} else {
		f.Exports = append(f.Exports, "getBasicAuth")
	}
	if m.Data.Validate != nil {
		f.Exports = append(f.Exports, "authValidation")
	}
	if m.Data.Revoke != nil {
		f.Exports = append(f.Exports, "unAuthorize")
	}
	slices.Sort(f.Exports)
	return f
}

// runs returns the module that runs the calls of m: the interpreter, or m.
func (m *module) runs() *module {
	if m.interpreter != nil {
		return m.interpreter
	}
	return m
}

// addData adds the platforms that are their manifests alone. Modules that did not change are the earlier ones.
func (f *Folder) addData(platforms map[crmgate.Platform]*manifest.Manifest, earlier *Folder) {
	for p, m := range platforms {
		if m.Data == nil || f.leftOut[p] != nil || f.read(p) != nil {
			continue
		}
		if f.interpreter == nil && earlier != nil && earlier.interpreter != nil {
			f.interpret(earlier.interpreter)
		} else if f.interpreter == nil {
			f.interpret(f.host.newInterpreter())
		}
		was := earlier.module(p)
		if was != nil && was.interpreter == f.interpreter && was.manifest.Equal(m) {
			f.use(was)
			continue
		}
		f.use(f.host.newData(m, f.interpreter, was))
	}
}

// interpret sets the interpreter.
func (f *Folder) interpret(m *module) {
	f.interpreter = m
	f.modules = append(f.modules, m)
}

// interpreted says whether the interpreter was loaded. Without it, the platforms that it would run are left out.
func (f *Folder) interpreted(err error) {
	if err == nil {
		return
	}
	for _, m := range slices.Clone(f.modules) {
		if m.interpreter != nil {
			f.LeaveOut(m.manifest.Platform, err)
		}
	}
	f.drop(interpreterName)
	f.interpreter = nil
}
