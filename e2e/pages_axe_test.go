package e2e_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/crmgate/crmgate/edge/edgetest"
)

// axe-core is a test tool under the MPL. The test downloads it, since the project does not contain it.
const (
	axePackage = "axe-core@4.14.1"
	axeSum     = "FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NPjCKg2rhu5qb2S4r76ASyFNNtuFooJpZe37OgudVGtQ=="
)

// axeCore returns the script of axe-core from the npm package with this checksum.
func axeCore(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	pack := exec.CommandContext(ctx, "npm", "pack", "--silent", "--ignore-scripts", axePackage)
	pack.Dir = dir
	if out, err := pack.CombinedOutput(); err != nil {
		skip(t, "npm pack %s: %v: %s", axePackage, err, out)
	}
	packages, err := filepath.Glob(filepath.Join(dir, "*.tgz"))
	edgetest.Must(t, err)
	if len(packages) != 1 {
		t.Fatalf("npm packed %v", packages)
	}
	b, err := os.ReadFile(packages[0])
	edgetest.Must(t, err)
	if sum := sha512.Sum512(b); base64.StdEncoding.EncodeToString(sum[:]) != axeSum {
		t.Fatalf("%s has the checksum %s", axePackage, base64.StdEncoding.EncodeToString(sum[:]))
	}
	unzipped, err := gzip.NewReader(bytes.NewReader(b))
	edgetest.Must(t, err)
	for files := tar.NewReader(unzipped); ; {
		h, err := files.Next()
		if errors.Is(err, io.EOF) {
			t.Fatalf("%s has no axe.min.js", axePackage)
		}
		edgetest.Must(t, err)
		if h.Name == "package/axe.min.js" {
			script, err := io.ReadAll(files)
			edgetest.Must(t, err)
			return string(script)
		}
	}
}
