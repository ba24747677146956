package wasmhost_test

import (
	"context"
	"encoding/binary"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"

	"github.com/crmgate/crmgate/wasmhost"
	"github.com/crmgate/crmgate/wasmhost/wasmtest"
)

// A module can import exactly the WASI functions that ABI.md lists, with WASI's types.
func TestWASIFunctions(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join("..", "connectors-wasm", "ABI.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "\n## Imports: `wasi_snapshot_preview1`\n")
	section, _, _ = strings.Cut(section, "\n## ")
	var listed []string
	for _, name := range regexp.MustCompile("`([a-z]+(_[a-z]+)+)`").FindAllStringSubmatch(section, -1) {
		listed = append(listed, name[1])
	}
	slices.Sort(listed)

	rt := wazero.NewRuntimeWithConfig(t.Context(), wazero.NewRuntimeConfigInterpreter())
	defer rt.Close(context.Background())
	wasi_snapshot_preview1.MustInstantiate(t.Context(), rt)
	var offered []string
	h := newHost(t, wasmhost.Config{})
	for name, f := range rt.Module("wasi_snapshot_preview1").ExportedFunctionDefinitions() {
		m := oauth(num(2))
		m.Imports = append(slices.Clone(abiImports), wasi(name, uint64(wasmtest.MoreTypes+len(m.Types))))
		m.Types = append(m.Types, wasmtest.Type{Params: f.ParamTypes(), Results: f.ResultTypes()})
		loaded, err := loadAll(t, h, folder(t, map[string]string{"x.wasm": m.String(), "x.json": manifestOf("x", "")}), "")
		if err == nil {
			offered = append(offered, name)
			_ = loaded.Close()
		} else if !strings.Contains(err.Error(), "it imports wasi_snapshot_preview1."+name+", which the host does not provide") {
			t.Errorf("%s: %v", name, err)
		}
	}
	slices.Sort(offered)
	if !slices.Equal(offered, listed) {
		t.Errorf("the host offers %v, ABI.md lists %v", offered, listed)
	}
}

// Invalid arguments return an errno, and the next call of WASI works.
func TestWASIAnswers(t *testing.T) {
	t.Parallel()
	const memory, vectors, in, out, result = 131072, 2048, 8192, 16384, 4096
	vector := func(i, at, n int64) []byte { return seq(put32(vectors+8*i, at), put32(vectors+8*i+4, n)) }
	kind := func(i, kind, id int64) []byte { return seq(put32(in+48*i+8, kind), put32(in+48*i+16, id)) }
	errnoOf := func(i int64) []byte { return seq(num(out+32*i+8), []byte{0x2f, 1, 0}) }
	poll := func(n int64) []byte { return seq(invoke(fPollOneoff, in, out, n, result), drop) }
	for name, c := range map[string]struct {
		code []byte
		want int
	}{
		"random":                             {invoke(fRandomGet, 8192, 100), 0},
		"no random":                          {invoke(fRandomGet, memory, 0), 0},
		"random to the end":                  {invoke(fRandomGet, memory-70_000, 70_000), 0},
		"random past the end":                {invoke(fRandomGet, memory-70_000, 70_001), 21},
		"random to a negative address":       {invoke(fRandomGet, -1, 1), 21},
		"random of 4 GiB":                    {invoke(fRandomGet, 1, -1), 21},
		"write":                              {seq(vector(0, 0, 10), invoke(fFdWrite, 1, vectors, 1, result)), 0},
		"bytes of two vectors":               {seq(vector(0, 0, 10), vector(1, 5, 7), invoke(fFdWrite, 2, vectors, 2, result), drop, load32(result)), 17},
		"at most 64 KiB of one vector":       {seq(vector(0, 0, memory), invoke(fFdWrite, 1, vectors, 1, result), drop, load32(result)), 65536},
		"at most 64 KiB of two vectors":      {seq(vector(0, 0, 60_000), vector(1, 0, 60_000), invoke(fFdWrite, 1, vectors, 2, result), drop, load32(result)), 65536},
		"write nothing":                      {invoke(fFdWrite, 1, vectors, 0, result), 0},
		"write to input":                     {invoke(fFdWrite, 0, vectors, 1, result), 8},
		"write to a file":                    {invoke(fFdWrite, 3, vectors, 1, result), 8},
		"1024 vectors":                       {invoke(fFdWrite, 1, vectors, 1024, result), 0},
		"1025 vectors":                       {invoke(fFdWrite, 1, vectors, 1025, result), 28},
		"2^29 vectors":                       {invoke(fFdWrite, 1, vectors, 1<<29, result), 28},
		"vectors past the end":               {invoke(fFdWrite, 1, memory-8, 2, result), 21},
		"write past the end":                 {seq(vector(0, memory-10, 11), invoke(fFdWrite, 1, vectors, 1, result)), 21},
		"write the limit, then past the end": {seq(vector(0, 0, 70_000), vector(1, memory, 1), invoke(fFdWrite, 1, vectors, 2, result)), 21},
		"write of 4 GiB":                     {seq(vector(0, 1, -1), invoke(fFdWrite, 1, vectors, 1, result)), 21},
		"write, result out of memory":        {invoke(fFdWrite, 1, vectors, 0, memory-3), 21},
		"read":                               {seq(put32(result, 7), invoke(fFdRead, 0, vectors, -1, result), drop, load32(result)), 0},
		"read output":                        {invoke(fFdRead, 1, vectors, 1, result), 8},
		"read, result out of memory":         {invoke(fFdRead, 0, vectors, 1, memory), 21},
		"stream":                             {invoke(fFdFdstatGet, 2, memory-24), 0},
		"stream out of memory":               {invoke(fFdFdstatGet, 2, memory-23), 21},
		"no stream":                          {invoke(fFdFdstatGet, 3, 0), 8},
		"folder":                             {invoke(fFdPrestatGet, 3, 0), 8},
		"variables":                          {seq(invoke(fEnvironSizesGet, result, result+4), drop, load32(result)), 1},
		"bytes of variables":                 {seq(invoke(fEnvironSizesGet, result, result+4), drop, load32(result+4)), len("GOGC=25") + 1},
		"where the variable is":              {seq(invoke(fEnvironGet, result, in), drop, load32(result)), 8192},
		"the variable":                       {seq(invoke(fEnvironGet, result, in), drop, load32(in+4), num(-int64(binary.LittleEndian.Uint32([]byte("=25\x00")))), add), 0},
		"variables to the end":               {invoke(fEnvironGet, memory-12, memory-8), 0},
		"variables out of memory":            {invoke(fEnvironGet, result, memory-7), 21},
		"list of variables out of memory":    {invoke(fEnvironGet, memory-3, in), 21},
		"sizes of variables out of memory":   {invoke(fEnvironSizesGet, result, memory-3), 21},
		"wall clock":                         {seq(num(0), long(0), invoke(fClockTimeGet, result)), 0},
		"clock of the process":               {seq(num(2), long(0), invoke(fClockTimeGet, result)), 28},
		"clock out of memory":                {seq(num(1), long(0), invoke(fClockTimeGet, memory-7)), 21},
		"wait for no events":                 {invoke(fPollOneoff, in, out, 0, result), 28},
		"wait for 64 events":                 {seq(poll(64), load32(result)), 64},
		"wait for 65 events":                 {invoke(fPollOneoff, in, out, 65, result), 28},
		"wait for 2^31 events":               {invoke(fPollOneoff, in, out, -1<<31, result), 28},
		"wait, out of memory":                {invoke(fPollOneoff, memory-47, out, 1, result), 21},
		"wait, events out of memory":         {invoke(fPollOneoff, in, memory-31, 1, result), 21},
		"wait, number out of memory":         {invoke(fPollOneoff, in, out, 1, memory), 21},
		"wait in place, user data":           {seq(put64(in, 77), kind(0, 2, 1), invoke(fPollOneoff, in, in, 1, result), drop, load32(in)), 77},
		"wait in place":                      {seq(put64(in+24, 1000), kind(1, 2, 1), kind(2, 2, 2), invoke(fPollOneoff, in, in, 3, result), drop, load32(result)), 2},
		"wait for a past time":               {seq(kind(0, 0, 0), put64(in+24, 1e18), put32(in+40, 1), poll(1), load32(result)), 1},
		"wait for the first":                 {seq(put64(in+24, 3600e9), kind(1, 1, 0), poll(2), load32(result)), 1},
		"wait for an unknown clock":          {seq(kind(0, 0, 2), poll(1), errnoOf(0)), 28},
		"wait with unknown flags":            {seq(put32(in+40, 2), poll(1), errnoOf(0)), 28},
		"wait for input":                     {seq(kind(0, 1, 0), poll(1), errnoOf(0)), 0},
		"wait for output to be read":         {seq(kind(0, 1, 1), poll(1), errnoOf(0)), 8},
		"wait for a file":                    {seq(kind(0, 2, 3), poll(1), errnoOf(0)), 8},
		"wait for an unknown type":           {seq(kind(0, 3, 0), poll(1), errnoOf(0)), 8},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := load(t, newHost(t, wasmhost.Config{}), map[string]string{"x.wasm": oauth(answerNumber(c.code)).String(), "x.json": manifestOf("x", "")})
			u, err := mustConnector(t, f, "x").UserInfo(t.Context(), bearer(""))
			if got, _ := strconv.Atoi(string(u.ID)); err != nil || got != c.want {
				t.Errorf("got %d, want %d (%v)", got, c.want, err)
			}
		})
	}
}
