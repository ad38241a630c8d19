package demo

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"sync"
	"time"

	"github.com/editlock/editlock/internal/demo/articles"

	_ "modernc.org/sqlite" // the engine behind sql.Open("sqlite", …)
)

// The files of a side, in its directory.
const (
	articlesFile = "articles.db" // of both
	locksFile    = "locks.db"    // of editlock
)

// A source is one side's database, as the referee reads it.
type source struct {
	path string
	read func(ctx context.Context, db *sql.DB) (facts, error)

	mu sync.Mutex
	db *sql.DB // nil until the server has made the file
}

// seeing notes every save beside the table, within the save's own transaction and unseen by the application: the
// version that it replaced and the one that its author had loaded.
const seeing = `
CREATE TABLE IF NOT EXISTS referee (article INTEGER NOT NULL, replaced INTEGER NOT NULL, based_on INTEGER NOT NULL);
CREATE TRIGGER IF NOT EXISTS referee_sees AFTER UPDATE OF version ON articles WHEN new.version <> old.version
BEGIN
	INSERT INTO referee VALUES (new.id, old.version, new.based_on);
END;`

func newUsualSource(dir string) *source {
	return &source{path: filepath.Join(dir, usualSide, articlesFile), read: readUsual}
}

// newEditlockSource reads the articles from their table, and the locks from the server: their file is the server's alone.
func newEditlockSource(dir string, s *supervisor) *source {
	return &source{path: filepath.Join(dir, editlockSide, articlesFile), read: func(ctx context.Context, db *sql.DB) (facts, error) {
		return readEditlock(ctx, db, s.servers[editlockSide].address())
	}}
}

func (s *source) look(ctx context.Context) (facts, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	db, err := s.open(ctx)
	if err != nil {
		return facts{}, err
	}
	f, err := s.read(ctx, db)
	if err != nil {
		return facts{}, err
	}
	err = db.QueryRowContext(ctx, `SELECT a.version, (SELECT count(*) FROM referee WHERE article = a.id AND based_on < replaced)
		FROM articles a WHERE a.id = ?`, article).Scan(&f.Version, &f.Overwritten)
	return f, err
}

// open returns the database, once the server has made it.
func (s *source) open(ctx context.Context) (*sql.DB, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.db != nil {
		return s.db, nil
	}
	db, err := sql.Open("sqlite", "file:"+s.path+"?mode=rw&_pragma=busy_timeout(1000)")
	if err != nil {
		return nil, err
	}
	if _, err := db.ExecContext(ctx, seeing); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	s.db = db
	return db, nil
}

// forget begins the count of overwritten saves anew, with the article as it was in the beginning. Its version stays: it
// never falls, or nobody would be let in who has heard of the later one.
func (s *source) forget(ctx context.Context) error {
	return s.exec(ctx, `UPDATE articles SET title = ?, body = ? WHERE id = ?; DELETE FROM referee`,
		articles.Harbour.Title, articles.Harbour.Body, article)
}

func (s *source) exec(ctx context.Context, query string, args ...any) error {
	db, err := s.open(ctx)
	if err != nil {
		return err
	}
	_, err = db.ExecContext(ctx, query, args...)
	return err
}

func (s *source) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.db != nil {
		_ = s.db.Close()
	}
}

func readUsual(ctx context.Context, db *sql.DB) (facts, error) {
	f := facts{Waiting: []string{}}
	var by sql.NullString
	if err := db.QueryRowContext(ctx, `SELECT locked_by FROM articles WHERE id = ?`, article).Scan(&by); err != nil {
		return f, err
	}
	f.Holder = by.String
	rows, err := db.QueryContext(ctx, `SELECT user FROM awaiting_users WHERE article = ? ORDER BY id`, article)
	if err != nil {
		return f, err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var user string
		if err := rows.Scan(&user); err != nil {
			return f, err
		}
		f.Waiting = append(f.Waiting, user)
	}
	return f, rows.Err()
}

func readEditlock(ctx context.Context, db *sql.DB, addr string) (facts, error) {
	f, err := askFacts(ctx, addr)
	if err != nil {
		return f, err
	}
	var refused refusedSave
	var at int64
	err = db.QueryRowContext(ctx, `SELECT at, name, code, fence, seen FROM refused WHERE article = ? ORDER BY id DESC LIMIT 1`, article).
		Scan(&at, &refused.Name, &refused.Code, &refused.Fence, &refused.Seen)
	if errors.Is(err, sql.ErrNoRows) {
		return f, nil
	}
	refused.At = time.UnixMilli(at)
	f.Refused = &refused
	return f, err
}

// askFacts asks the editlock server what it holds.
func askFacts(ctx context.Context, addr string) (facts, error) {
	if addr == "" {
		return facts{}, errors.New("the server is down")
	}
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+factsPath, nil)
	if err != nil {
		return facts{}, err
	}
	a, err := http.DefaultClient.Do(q)
	if err != nil {
		return facts{}, err
	}
	defer func() { _ = a.Body.Close() }()
	if a.StatusCode != http.StatusOK {
		return facts{}, fmt.Errorf("the server answers %s", a.Status)
	}
	var f facts
	err = json.NewDecoder(a.Body).Decode(&f)
	return f, err
}
