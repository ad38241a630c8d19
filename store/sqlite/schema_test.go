package sqlite

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/editlock/editlock/store"
)

// A file of any older schema is brought up to date, with all that it holds, on every way: also when it was killed.
func TestOlderSchema(t *testing.T) {
	newest := newestSchema(t)
	for old := int64(1); old < newest; old++ {
		path := filepath.Join(t.TempDir(), "data.db")
		db := connect(path, fmt.Sprintf("application_id(%d)", applicationID))
		p, err := migrator(db)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.UpTo(t.Context(), old); err != nil {
			t.Fatal(err)
		}
		const ahead = int64(1) << 52 // later than any wall time of this century
		for _, text := range []string{
			"INSERT INTO records (key, rev, due, data) VALUES (CAST('k' AS BLOB), 5, 7, CAST('old' AS BLOB))",
			fmt.Sprintf("UPDATE sequence SET last = %d", ahead),
		} {
			if _, err := db.Exec(text); err != nil {
				t.Fatal(err)
			}
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			s := mustOpen(t, path)
			if r, err := s.Get(t.Context(), "k"); err != nil || r.Rev != 5 || string(r.Data) != "old" {
				t.Fatalf("from schema %d: %+v, %v", old, r, err)
			}
			if due, err := s.Due(t.Context(), time.UnixMicro(7), 1); err != nil || len(due) != 1 {
				t.Fatalf("from schema %d: due %+v, %v", old, due, err)
			}
			mustClose(t, s)
		}
		s := mustOpen(t, path)
		if rev := mustPut(t, s, store.Op{Key: "new"}); rev <= ahead {
			t.Fatalf("from schema %d: revision %d after %d", old, rev, ahead)
		}
		var have int64
		if err := s.reader.db.QueryRow("SELECT max(version_id) FROM " + versions).Scan(&have); err != nil || have != newest {
			t.Fatalf("schema %d after the migration, %v", have, err)
		}
		mustClose(t, s)
	}
}

func newestSchema(t *testing.T) int64 {
	t.Helper()
	files, err := embedded.ReadDir("migrations")
	if err != nil || len(files) < 2 {
		t.Fatalf("%d migrations, %v", len(files), err)
	}
	return int64(len(files))
}

// A file of a newer schema is refused and left alone.
func TestNewerSchema(t *testing.T) {
	path := filepath.Join(t.TempDir(), "data.db")
	fill(t, path)
	exec1(t, path, fmt.Sprintf("INSERT INTO %s (version_id, is_applied) VALUES (%d, 1)", versions, newestSchema(t)+1))
	mustRefuse(t, path, ErrNewer, "start that version again", fmt.Sprintf("schema %d", newestSchema(t)+1))
}

// What a start left that was killed while it made the file is no obstacle.
func TestLeftoverOfACreation(t *testing.T) {
	path := filepath.Join(t.TempDir(), "data.db")
	for _, rest := range []string{".new", ".new-journal"} {
		write(t, path+rest, []byte("half"))
	}
	s := mustOpen(t, path)
	mustPut(t, s, store.Op{Key: "k"})
	mustClose(t, s)
	if left, err := filepath.Glob(path + ".new*"); err != nil || len(left) > 0 {
		t.Errorf("there is still %q, %v", left, err)
	}
	if _, err := os.Stat(path + "-wal"); err == nil {
		t.Error("Close left a WAL")
	}
}
