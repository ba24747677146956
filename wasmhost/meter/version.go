package meter

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"sync"
)

//go:embed body.go data.go decode.go doc.go effort.go encode.go error.go flow.go frame.go helper.go instrument.go limits.go
//go:embed module.go names.go opcode.go reader.go validate.go version.go writer.go
var source embed.FS

// Version identifies the code of this package: it is a hash of the source, in hexadecimal. A host that keeps instrumented
// modules must use each of them with the same version only. Another version may reject the module or limit it differently.
var Version = sync.OnceValue(func() string {
	h := sha256.New()
	files, err := source.ReadDir(".")
	for _, f := range files {
		var b []byte
		if b, err = source.ReadFile(f.Name()); err != nil {
			break
		}
		h.Write(b)
	}
	if err != nil {
		panic(err) // cannot happen: the files are part of the program
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
})
