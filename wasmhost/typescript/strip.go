// Package typescript makes JavaScript of a connector in TypeScript, and finds places of the one in the other.
//
// [Strip] removes types, and rewrites what only TypeScript has, such as enums. It does not check types, and reads no other file: the
// author's compiler and bundler do that. It parses the text of a stranger with a parser that is not made for such: a server runs it in a
// process of its own (package process).
package typescript

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/evanw/esbuild/pkg/api"
)

// Version identifies what Strip returns for a text. It is that of esbuild, and the number of the options below.
const Version = "v0.28.2-1"

// Script is what Strip makes of a text.
type Script struct {
	Source   string `json:"source"`   // in JavaScript
	Mappings string `json:"mappings"` // for Places
}

// Strip makes JavaScript of the text of a file in TypeScript. The error has the place of the first mistake.
func Strip(file, source string) (s Script, err error) {
	out := api.Transform(source, api.TransformOptions{
		Loader: api.LoaderTS, Target: api.ES2022, Charset: api.CharsetUTF8, Sourcefile: file,
		Sourcemap: api.SourceMapExternal, SourcesContent: api.SourcesContentExclude,
		Banner: "//", // the engine's driver puts a function's head in front of the first line, which would move its columns
	})
	if len(out.Errors) > 0 {
		return s, mistake(out.Errors[0])
	}
	var sourceMap struct {
		Mappings string `json:"mappings"`
	}
	if err := json.Unmarshal(out.Map, &sourceMap); err != nil {
		return s, fmt.Errorf("the source map: %w", err)
	}
	return Script{string(out.Code), sourceMap.Mappings}, nil
}

// mistake returns the error for a message.
func mistake(m api.Message) error {
	if m.Location == nil {
		return errors.New(m.Text)
	}
	return fmt.Errorf("SyntaxError: %s at %s:%d:%d", m.Text, m.Location.File, m.Location.Line, m.Location.Column+1)
}
