package sqlite

import (
	"bytes"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/editlock/editlock/store"
)

// fill makes a data file with some hundred records and closes it; it returns its bytes.
func fill(t *testing.T, path string) []byte {
	t.Helper()
	s := mustOpen(t, path)
	var batch []store.Group
	for i := range 400 {
		batch = append(batch, store.Group{{Key: fmt.Sprintf("k%03d", i), Data: bytes.Repeat([]byte{byte(i)}, 300), Due: time.UnixMicro(int64(i))}})
	}
	if _, err := s.Apply(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	mustClose(t, s)
	return read(t, path)
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func write(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// mustRefuse opens a file that must be refused, with advice, and left as it was.
func mustRefuse(t *testing.T, path string, want error, advice ...string) {
	t.Helper()
	before := read(t, path)
	s, err := Open(path, Options{})
	if err == nil {
		_ = s.Close()
		t.Errorf("was opened, want %v", want)
		return
	}
	if !errors.Is(err, want) {
		t.Errorf("%v, want %v", err, want)
	}
	for _, part := range append(advice, path) {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("the error does not say %q: %v", part, err)
		}
	}
	if !bytes.Equal(read(t, path), before) {
		t.Error("the file was changed")
	}
}

// Faults: D16
func TestTruncated(t *testing.T) {
	path := filepath.Join(t.TempDir(), "data.db")
	whole := fill(t, path)
	for _, n := range []int{0, 1, 15, 16, 50, 99, 100, 1000, 4095, 4096, 4097, 3 * 4096, len(whole) / 2, len(whole) - 4096, len(whole) - 1} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			write(t, path, whole[:n])
			want := ErrCorrupt
			if n > 0 && n < 16 {
				want = ErrForeign // too little to tell
			}
			mustRefuse(t, path, want, "backup")
		})
	}
	write(t, path, whole)
	if s := mustOpen(t, path); !has(t, s, "k399") {
		t.Error("the whole file is refused as well")
	}
}

// Faults: D16
func TestCorrupt(t *testing.T) {
	path := filepath.Join(t.TempDir(), "data.db")
	whole := fill(t, path)
	for at := 4096; at < len(whole); at += 4096 {
		for name, with := range map[string][]byte{"zeros": make([]byte, 4096), "ones": bytes.Repeat([]byte{0xff}, 4096), "another page": whole[:4096]} {
			bad := bytes.Clone(whole)
			copy(bad[at:], with)
			t.Run(fmt.Sprintf("page %d %s", at/4096+1, name), func(t *testing.T) {
				write(t, path, bad)
				mustRefuse(t, path, ErrCorrupt, "backup")
			})
		}
	}
	for name, change := range map[string]func([]byte){
		"page size":   func(b []byte) { b[16], b[17] = 3, 3 },
		"schema root": func(b []byte) { b[100] = 0x77 },
		"schema":      func(b []byte) { copy(b[4000:], bytes.Repeat([]byte{'x'}, 96)) },
	} {
		bad := bytes.Clone(whole)
		change(bad)
		t.Run(name, func(t *testing.T) {
			write(t, path, bad)
			mustRefuse(t, path, ErrCorrupt, "backup")
		})
	}
}

// After a crash the WAL holds what the data file does not. A file that was cut then is refused, and neither is changed.
// Faults: D16
func TestDamagedBesideAWAL(t *testing.T) {
	dir := t.TempDir()
	path, crashed := filepath.Join(dir, "data.db"), filepath.Join(dir, "crashed.db")
	fill(t, path)
	s := mustOpen(t, path)
	mustPut(t, s, store.Op{Key: "in the WAL"})
	for _, rest := range []string{"", "-wal"} { // as a crash would leave it; another process copies, so that SQLite keeps its locks
		if out, err := exec.Command("cp", path+rest, crashed+rest).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	mustClose(t, s)
	data, wal := read(t, crashed), read(t, crashed+"-wal")
	if len(wal) == 0 {
		t.Fatal("there is no WAL")
	}
	write(t, crashed, data[:len(data)-5*4096])
	mustRefuse(t, crashed, ErrCorrupt, "backup")
	if !bytes.Equal(read(t, crashed+"-wal"), wal) {
		t.Error("the WAL was changed")
	}
	if err := os.Remove(crashed); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(crashed, Options{}); !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), "-wal") {
		t.Errorf("a WAL without its file: %v", err)
	}
	if _, err := os.Lstat(crashed); err == nil {
		t.Error("a file was made beside a WAL that is not its own")
	}
	write(t, crashed, data)
	if s = mustOpen(t, crashed); !has(t, s, "in the WAL") || !has(t, s, "k399") {
		t.Error("a write that was answered is lost")
	}
}

// mustLeaveNothing fails if a lock file was put beside a file that is not ours.
func mustLeaveNothing(t *testing.T, path string) {
	t.Helper()
	if _, err := os.Lstat(path + ".lock"); err == nil {
		t.Error("a lock file was left")
	}
}

// Faults: D16
func TestForeign(t *testing.T) {
	dir := t.TempDir()
	for name, content := range map[string]string{
		"text": "dear diary, today I was opened as a database", "short": "x", "zeros": strings.Repeat("\x00", 8192), "png": "\x89PNG\r\n\x1a\n" + strings.Repeat("x", 5000),
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(dir, name)
			write(t, path, []byte(content))
			mustRefuse(t, path, ErrForeign, "name another file")
			mustLeaveNothing(t, path)
		})
	}
	for name, setup := range map[string]string{
		"another application": "PRAGMA application_id = 252006674; CREATE TABLE layers (id)", "none": "CREATE TABLE records (key, rev)", "wal": "PRAGMA journal_mode = WAL; CREATE TABLE x (y)",
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(dir, name)
			exec1(t, path, setup)
			mustRefuse(t, path, ErrForeign, "name another file")
			mustLeaveNothing(t, path)
		})
	}
	t.Run("ours by name only", func(t *testing.T) {
		path := filepath.Join(dir, "named")
		exec1(t, path, fmt.Sprintf("PRAGMA application_id = %d; CREATE TABLE x (y)", applicationID))
		mustRefuse(t, path, ErrCorrupt, "backup")
	})
}

// exec1 does some SQL on a file as another program would.
func exec1(t *testing.T, path, text string) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(text); err != nil {
		t.Fatal(err)
	}
}

// What is no file, or cannot be used as one, is refused with what to do.
// Faults: D16
func TestUnusablePaths(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.Mkdir(at("directory"), 0o700))
	must(os.Symlink(at("loop"), at("loop")))
	must(os.Symlink(at("nowhere"), at("dangling")))
	must(syscall.Mkfifo(at("fifo"), 0o600))
	l, err := net.Listen("unix", at("socket"))
	must(err)
	defer l.Close()
	write(t, at("file"), []byte("x"))
	for path, want := range map[string]string{
		"":                           "name the data file",
		at("directory"):              "it is a directory",
		at("loop"):                   "too many",
		at("dangling"):               "leads nowhere",
		at("fifo"):                   "not a regular file",
		at("socket"):                 "not a regular file",
		at("file/below"):             "is no directory",
		at("nul\x00"):                "invalid argument",
		"/proc/nothing/x.db":         "there is no directory",
		"/proc/self/x.db":            "must be writable",
		at(strings.Repeat("x", 300)): "name too long",
	} {
		if s, err := Open(path, Options{}); err == nil {
			t.Errorf("Open(%q) went well", path)
			_ = s.Close()
		} else if !strings.Contains(err.Error(), want) {
			t.Errorf("Open(%q): %v, want %q", path, err, want)
		}
	}
	if _, err := os.Lstat(at("nowhere")); err == nil {
		t.Error("the end of a dangling link was made")
	}
}

// Faults: D16
func TestUnreadable(t *testing.T) {
	dir, err := os.MkdirTemp("", "editlock") // t.TempDir is closed to others
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	path := filepath.Join(dir, "data.db")
	before := fill(t, path)
	binary := filepath.Join(dir, "test")
	copyFile(t, os.Args[0], binary)
	for name, mode := range map[string]struct {
		dir, file os.FileMode
		want      string
	}{
		"the file":      {0o777, 0, "read and write it"},
		"read only":     {0o777, 0o444, "read and write it"},
		"the directory": {0o555, 0o666, "must be writable"},
	} {
		t.Run(name, func(t *testing.T) {
			for file, mode := range map[string]os.FileMode{dir: mode.dir, path: mode.file} {
				if err := os.Chmod(file, mode); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.Remove(path + ".lock"); err != nil && !errors.Is(err, os.ErrNotExist) && mode.dir&0o222 != 0 {
				t.Fatal(err)
			}
			cmd := exec.CommandContext(t.Context(), binary)
			cmd.Env = append(os.Environ(), roleVar+"=open", pathVar+"="+path)
			if os.Getuid() == 0 { // for whom no mode is too strict
				cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
			}
			out, err := cmd.CombinedOutput()
			if err != nil || !strings.Contains(string(out), mode.want) {
				t.Errorf("%v: %s; want %q", err, out, mode.want)
			}
		})
	}
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(read(t, path), before) {
		t.Error("the file was changed")
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	in, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(out, in); err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Dir(to), 0o755); err != nil {
		t.Fatal(err)
	}
}

// A record whose revision is above the sequence is not written again: its fence would go back.
// Faults: D5
func TestRevisionAboveTheSequence(t *testing.T) {
	path := filepath.Join(t.TempDir(), "data.db")
	s := mustOpen(t, path)
	rev := mustPut(t, s, store.Op{Key: "k", Data: binary.BigEndian.AppendUint64(nil, 1)})
	ahead := rev + 1_000_000_000_000
	exec1(t, path, fmt.Sprintf("UPDATE records SET rev = %d", ahead))
	for _, op := range []store.Op{{Key: "k", Expect: ahead}, {Key: "k", Expect: ahead, Delete: true}} {
		if _, err := put(t.Context(), s, store.Op{Key: "other"}, op); !errors.Is(err, store.ErrRevision) {
			t.Errorf("%v, want %v", err, store.ErrRevision)
		}
	}
	if _, err := put(t.Context(), s, store.Op{Key: "k", Expect: rev}); !errors.Is(err, store.ErrConflict) {
		t.Errorf("%v, want %v", err, store.ErrConflict)
	}
	if r, err := s.Get(t.Context(), "k"); err != nil || r.Rev != ahead || has(t, s, "other") {
		t.Errorf("something was written: %+v, %v", r, err)
	}
	if err := s.Raise(t.Context(), ahead); err != nil {
		t.Fatal(err)
	}
	mustPut(t, s, store.Op{Key: "k", Expect: ahead})
}

// Another program that was killed while it wrote leaves a journal, which SQLite undoes.
// Faults: D16
func TestJournalOfAnotherProgram(t *testing.T) {
	dir := t.TempDir()
	path, crashed := filepath.Join(dir, "data.db"), filepath.Join(dir, "crashed.db")
	fill(t, path)
	db := connect(path, "journal_mode(DELETE)", "cache_size(1)")
	defer db.Close()
	tx, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	if _, err := tx.Exec("UPDATE records SET data = zeroblob(1000), due = NULL"); err != nil {
		t.Fatal(err)
	}
	for _, rest := range []string{"", "-journal"} {
		if out, err := exec.Command("cp", path+rest, crashed+rest).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	s := mustOpen(t, crashed)
	for _, key := range []string{"k000", "k200", "k399"} {
		if r, err := s.Get(t.Context(), key); err != nil || len(r.Data) != 300 {
			t.Errorf("half of what the other program wrote is there: %d bytes under %s, %v", len(r.Data), key, err)
		}
	}
	mustPut(t, s, store.Op{Key: "k"})
}
