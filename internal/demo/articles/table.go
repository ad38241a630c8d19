// Package articles is a small application that is guarded by editlock: articles in an SQLite table, behind a
// REST endpoint that takes a save only from who holds the lock.
package articles

import (
	"context"
	"database/sql"
	_ "embed"
	"errors"
	"fmt"
	"time"

	_ "modernc.org/sqlite" // the engine behind sql.Open("sqlite", …)
)

// Errors of a Table.
var (
	// ErrNotFound means that there is no such article.
	ErrNotFound = errors.New("articles: no such article")
	// ErrStale means that the article has seen a later grant than the one that was shown. Nothing was written.
	ErrStale = errors.New("articles: the lock has been granted again since")
)

// fence is the number of the latest grant that the row has seen. A write carries the number of its own grant,
// and is refused if that is lower.
const schema = `
CREATE TABLE IF NOT EXISTS articles (
	id INTEGER PRIMARY KEY,
	title TEXT NOT NULL,
	body TEXT NOT NULL,
	version INTEGER NOT NULL DEFAULT 1,  -- counts the saves
	based_on INTEGER NOT NULL DEFAULT 0, -- the version that the author had loaded
	fence INTEGER NOT NULL DEFAULT 0,
	saved_by TEXT NOT NULL DEFAULT '',
	saved_at INTEGER NOT NULL DEFAULT 0  -- Unix milliseconds
);
CREATE TABLE IF NOT EXISTS refused (
	id INTEGER PRIMARY KEY, article INTEGER NOT NULL, at INTEGER NOT NULL, -- Unix milliseconds
	name TEXT NOT NULL, code TEXT NOT NULL, fence INTEGER NOT NULL, seen INTEGER NOT NULL
);`

// Article is a row of the table.
type Article struct {
	ID      int64     `json:"id"`
	Title   string    `json:"title"`
	Body    string    `json:"body"`
	Version int64     `json:"version"`
	SavedBy string    `json:"saved_by,omitempty"`
	SavedAt time.Time `json:"saved_at,omitzero"`
}

// Table keeps articles. Its methods may be called from several goroutines.
type Table struct{ db *sql.DB }

// OpenTable opens the database file at path and makes the tables if need be.
func OpenTable(ctx context.Context, path string) (*Table, error) {
	// txlock: a transaction that will write begins as a writer, and so waits for its turn instead of failing halfway.
	db, err := sql.Open("sqlite", "file:"+path+"?_txlock=immediate&_pragma=busy_timeout(5000)&_pragma=journal_mode(wal)&_pragma=synchronous(full)")
	if err != nil {
		return nil, err
	}
	if _, err := db.ExecContext(ctx, schema); err != nil {
		return nil, errors.Join(fmt.Errorf("articles: %s: %w", path, err), db.Close())
	}
	return &Table{db}, nil
}

// Close closes the database.
func (t *Table) Close() error { return t.db.Close() }

// Add makes an article, unless there is one with that id.
func (t *Table) Add(ctx context.Context, id int64, title, body string) error {
	_, err := t.db.ExecContext(ctx, `INSERT OR IGNORE INTO articles (id, title, body) VALUES (?, ?, ?)`, id, title, body)
	return err
}

// List returns all articles in the order of their numbers.
func (t *Table) List(ctx context.Context) ([]Article, error) {
	rows, err := t.db.QueryContext(ctx, `SELECT id, title, body, version, saved_by, saved_at FROM articles ORDER BY id`)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	var all []Article
	for rows.Next() {
		a, err := scan(rows)
		if err != nil {
			return nil, err
		}
		all = append(all, a)
	}
	return all, rows.Err()
}

// Load returns an article for reading. It may return ErrNotFound.
func (t *Table) Load(ctx context.Context, id int64) (Article, error) {
	return scan(t.db.QueryRowContext(ctx, `SELECT id, title, body, version, saved_by, saved_at FROM articles WHERE id = ?`, id))
}

// LoadFor returns an article to a new holder. It first raises the row's fence to the holder's, and then reads, so that no
// save of an earlier holder can come in behind the text that the new one is shown. It may return ErrNotFound or ErrStale.
func (t *Table) LoadFor(ctx context.Context, id, fence int64) (Article, error) {
	return t.fenced(ctx, id, fence, `UPDATE articles SET fence = ? WHERE id = ? AND fence <= ?`, fence, id, fence)
}

// Save writes an article, if the row has seen no later grant than fence: both in one statement, so that nothing can come
// in between. basedOn is the version that the author had loaded. It may return ErrNotFound or ErrStale.
func (t *Table) Save(ctx context.Context, a Article, fence, basedOn int64) (Article, error) {
	return t.fenced(ctx, a.ID, fence, `UPDATE articles
		SET title = ?, body = ?, version = version + 1, based_on = ?, fence = ?, saved_by = ?, saved_at = ?
		WHERE id = ? AND fence <= ?`,
		a.Title, a.Body, basedOn, fence, a.SavedBy, time.Now().UnixMilli(), a.ID, fence)
}

// fenced runs an update that asks for the fence, and reads the row, in one transaction.
func (t *Table) fenced(ctx context.Context, id, fence int64, update string, args ...any) (Article, error) {
	tx, err := t.db.BeginTx(ctx, nil)
	if err != nil {
		return Article{}, err
	}
	defer func() { _ = tx.Rollback() }() // no effect after Commit
	done, err := tx.ExecContext(ctx, update, args...)
	if err != nil {
		return Article{}, err
	}
	changed, err := done.RowsAffected()
	if err != nil {
		return Article{}, err
	}
	a, err := scan(tx.QueryRowContext(ctx, `SELECT id, title, body, version, saved_by, saved_at FROM articles WHERE id = ?`, id))
	if err != nil {
		return Article{}, err
	}
	if changed == 0 {
		var seen int64
		if err := tx.QueryRowContext(ctx, `SELECT fence FROM articles WHERE id = ?`, id).Scan(&seen); err != nil {
			return Article{}, err
		}
		return a, &staleError{Fence: fence, Seen: seen}
	}
	return a, tx.Commit()
}

// staleError is ErrStale with the numbers.
type staleError struct{ Fence, Seen int64 }

func (e *staleError) Error() string {
	return fmt.Sprintf("articles: the save carries fence %d, the article has seen %d", e.Fence, e.Seen)
}

func (e *staleError) Is(target error) bool { return target == ErrStale }

// refuse notes a save that was turned away, for those who look into what happened.
func (t *Table) refuse(ctx context.Context, id int64, name, code string, fence, seen int64) error {
	_, err := t.db.ExecContext(ctx, `INSERT INTO refused (article, at, name, code, fence, seen) VALUES (?, ?, ?, ?, ?, ?)`,
		id, time.Now().UnixMilli(), name, code, fence, seen)
	return err
}

func scan(row interface{ Scan(...any) error }) (Article, error) {
	var a Article
	var at int64
	err := row.Scan(&a.ID, &a.Title, &a.Body, &a.Version, &a.SavedBy, &at)
	if errors.Is(err, sql.ErrNoRows) {
		return Article{}, ErrNotFound
	}
	if at != 0 {
		a.SavedAt = time.UnixMilli(at).UTC()
	}
	return a, err
}
