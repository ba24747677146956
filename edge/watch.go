package edge

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/crmgate/crmgate/wasmhost"
)

// How the folder of connectors is watched.
const (
	settleTime = time.Second            // the folder has to be unchanged for so long: a module and its manifest are two files
	settleLook = 250 * time.Millisecond // between two looks meanwhile
	pollTime   = time.Second            // between two looks where the system does not report changes
	seldomTime = 10 * time.Second       // between two looks otherwise: a link to elsewhere may have changed
)

// watchFolder reloads the connectors when their folder has changed, until ctx ends.
func (c *core) watchFolder(ctx context.Context, events *folderEvents) {
	defer events.close()
	for events.wait(ctx) {
		for print := printOf(c.Connectors); print != c.loadedPrint() && ctx.Err() == nil; print = printOf(c.Connectors) {
			if settled(ctx, c.Connectors, print) {
				c.Logger.Info("the folder of connectors has changed", "folder", c.Connectors)
				_, _ = c.reload(ctx, nil) // it logs what it does
			}
		}
	}
}

// settled reports whether a folder stays as it is for settleTime.
func settled(ctx context.Context, dir, print string) bool {
	for range settleTime / settleLook {
		if !pause(ctx, settleLook) || printOf(dir) != print {
			return false
		}
	}
	return true
}

// pause waits, and reports false if ctx ended.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// printOf describes the files of a folder that Load reads: their names, sizes, times, and where they are. Links are followed: with one, a
// deployment can put another file of the same size in place, and some build tools give all files the same time.
func printOf(dir string) string {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err.Error()
	}
	var b strings.Builder
	for _, e := range entries {
		name := e.Name()
		if !wasmhost.ReadsFile(name) {
			continue
		}
		path := filepath.Join(dir, name)
		real, _ := filepath.EvalSymlinks(path) // os.Stat has the error
		fmt.Fprintf(&b, "%q %q ", name, real)
		if info, err := os.Stat(path); err != nil {
			fmt.Fprintln(&b, err)
		} else {
			fmt.Fprintln(&b, info.Size(), info.ModTime().UnixNano(), info.Mode())
		}
	}
	return b.String()
}

// notePrint remembers what the folder is like, before it is loaded.
func (c *core) notePrint() {
	print := printOf(c.Connectors)
	c.loaded.Store(&print)
}

func (c *core) loadedPrint() string { return *c.loaded.Load() }

// folderEvents waits for changes of the folder of connectors.
type folderEvents struct {
	c       *core
	watcher *fsnotify.Watcher // nil if the system cannot watch
	watched string            // the folder without links; empty if it is not watched
}

func newFolderEvents(c *core) *folderEvents {
	w, err := fsnotify.NewWatcher()
	if err != nil {
		c.Logger.Debug("the folder of connectors is polled: the system cannot watch it", "err", err)
		return &folderEvents{c: c}
	}
	return &folderEvents{c: c, watcher: w}
}

func (w *folderEvents) close() {
	if w.watcher != nil {
		_ = w.watcher.Close() // nothing is left to do
	}
}

// follow watches the folder. If it is a link, that may lead elsewhere than before.
func (w *folderEvents) follow() {
	dir, err := filepath.EvalSymlinks(w.c.Connectors)
	if err == nil && dir == w.watched {
		return
	}
	if w.watched != "" {
		_ = w.watcher.Remove(w.watched) // it may be gone
	}
	w.watched = ""
	if err == nil {
		err = w.watcher.Add(dir)
	}
	if err != nil {
		w.c.Logger.Debug("the folder of connectors is polled: it cannot be watched", "err", err)
		return
	}
	w.watched = dir
}

// wait waits until the folder may have changed. It returns false when ctx ends.
func (w *folderEvents) wait(ctx context.Context) bool {
	if w.watcher == nil {
		return pause(ctx, pollTime)
	}
	w.follow()
	look := time.NewTimer(seldomTime)
	if w.watched == "" {
		look.Reset(pollTime)
	}
	defer look.Stop()
	select {
	case <-ctx.Done():
		return false
	case e := <-w.watcher.Events:
		if e.Name == w.watched { // removed or renamed: a folder of the same name is another one
			w.watched = ""
		}
	case <-w.watcher.Errors: // events were lost
	case <-look.C:
	}
	return true
}
