package sqlite

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/editlock/editlock/store"
)

// hold opens a store and keeps it until it is killed.
func hold(path string) {
	if _, err := Open(path, Options{}); err != nil {
		fmt.Println("error", err)
		return
	}
	fmt.Println("open")
	select {}
}

// A file that another process has open is refused, with its process id, and is free at once when that was killed.
// Faults: D16
func TestHeldByAnotherProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "data.db")
	cmd, out := child(t, "hold", path)
	if text := line(t, out); text != "open" {
		t.Fatal(text)
	}
	for range 2 {
		_, err := Open(path, Options{})
		if !errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), fmt.Sprintf("process %d", cmd.Process.Pid)) {
			t.Fatalf("%v, want %v with process %d", err, ErrInUse, cmd.Process.Pid)
		}
	}
	kill(t, cmd)
	mustPut(t, mustOpen(t, path), store.Op{Key: "k"})
}

// A second Open in the same process is refused as well, by whatever name, and does the first one no harm.
func TestOpenedTwice(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "data.db")
	s := mustOpen(t, path)
	link, linkedDir := filepath.Join(dir, "link.db"), filepath.Join(t.TempDir(), "dir")
	for name, to := range map[string]string{link: path, linkedDir: dir} {
		if err := os.Symlink(to, name); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{path, link, filepath.Join(linkedDir, "data.db"), filepath.Join(dir, ".", "x", "..", "data.db")} {
		if _, err := Open(name, Options{}); !errors.Is(err, ErrInUse) {
			t.Errorf("Open(%s): %v, want %v", name, err, ErrInUse)
		}
	}
	mustPut(t, s, store.Op{Key: "k"})
	mustClose(t, s)
	if s = mustOpen(t, link); !has(t, s, "k") {
		t.Error("the link leads to another store")
	}
}

func TestModes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "data.db")
	s := mustOpen(t, path)
	mustPut(t, s, store.Op{Key: "k"})
	for name, want := range map[string]os.FileMode{
		path: 0o600, path + "-wal": 0o600, path + "-shm": 0o600, path + ".lock": 0o600,
	} {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got != want {
			t.Errorf("%s has mode %o, want %o", name, got, want)
		}
	}
}

// A path that was mistyped makes no directory, and thereby no store that is empty.
func TestMissingDirectory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "mistyped", "deep")
	if _, err := Open(filepath.Join(dir, "data.db"), Options{}); err == nil || !strings.Contains(err.Error(), "there is no directory "+dir) {
		t.Errorf("%v, want it to name %s", err, dir)
	}
	if _, err := os.Lstat(filepath.Dir(dir)); err == nil {
		t.Error("a directory was made")
	}
}

// Characters that mean something in a URI or in SQL are a part of the name.
func TestOddPaths(t *testing.T) {
	for _, name := range []string{"a b.db", "50%.db", "what?mode=memory", "a#b", "a%20b", "ü'\";--", ":memory:", "file:x", "a\nb", "a&b=c"} {
		path := filepath.Join(t.TempDir(), name)
		s := mustOpen(t, path)
		mustPut(t, s, store.Op{Key: "k"})
		mustClose(t, s)
		if _, err := os.Stat(path); err != nil {
			t.Errorf("%q: %v", name, err)
		}
		if s = mustOpen(t, path); !has(t, s, "k") {
			t.Errorf("%q is not the same file again", name)
		}
		mustClose(t, s)
	}
}

// What was removed or replaced under a running store would lose every further write.
func TestFileRemovedWhileInUse(t *testing.T) {
	for _, name := range []string{"", "-wal"} {
		path := filepath.Join(t.TempDir(), "data.db")
		s := mustOpen(t, path)
		mustPut(t, s, store.Op{Key: "k"})
		if err := os.Remove(path + name); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		for rev := int64(0); ; {
			var err error
			if rev, err = put(ctx, s, store.Op{Key: "x", Expect: rev}); errors.Is(err, store.ErrBroken) {
				break
			} else if err != nil {
				t.Fatal(err)
			}
		}
		mustClose(t, s)
	}
}
