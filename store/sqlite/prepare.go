package sqlite

import (
	"context"
	"database/sql"
	"embed"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/pressly/goose/v3"
)

// applicationID marks our files in the header of SQLite: "edlk".
const applicationID = 0x65646c6b

// versions is the table in which the migrations that were applied are noted.
const versions = "schema_versions"

//go:embed migrations/*.sql
var embedded embed.FS

func migrations() fs.FS {
	sub, err := fs.Sub(embedded, "migrations")
	if err != nil {
		panic(err) // the name is wrong
	}
	return sub
}

// dsn names the file, and the pragmas that every connection of a pool begins with.
func dsn(path string, pragmas ...string) string {
	q := url.Values{"_error_rc": {"1"}}
	for _, p := range pragmas {
		if mode, ok := strings.CutPrefix(p, "mode="); ok {
			q.Set("mode", mode)
			continue
		}
		q.Add("_pragma", p)
	}
	return "file:" + (&url.URL{Path: path}).EscapedPath() + "?" + q.Encode()
}

// locate follows links, so that one file has one name and one lock. It makes no directory: one that is missing is a path
// that was mistyped more often than one that is meant, and whoever starts on an empty file has lost what was held.
func locate(path string) (string, error) {
	if path == "" {
		return "", errors.New("no path: name the data file")
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	switch info, err := os.Stat(filepath.Dir(path)); {
	case errors.Is(err, fs.ErrNotExist):
		return "", fmt.Errorf("there is no directory %s: make it, or correct the path", filepath.Dir(path))
	case err != nil:
		return "", err
	case !info.IsDir():
		return "", fmt.Errorf("%s is no directory: correct the path", filepath.Dir(path))
	}
	real, err := filepath.EvalSymlinks(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if _, err := os.Lstat(path); err == nil {
			return "", errors.New("it is a link that leads nowhere: remove it, or make what it leads to")
		}
		dir, err := filepath.EvalSymlinks(filepath.Dir(path))
		return filepath.Join(dir, filepath.Base(path)), err
	case err != nil:
		return "", err
	}
	info, err := os.Stat(real)
	switch {
	case err != nil:
		return "", err
	case info.IsDir():
		return "", errors.New("it is a directory: name a file in it")
	case !info.Mode().IsRegular():
		return "", errors.New("it is not a regular file: name another")
	}
	if _, err := os.Lstat(real + ".lock"); errors.Is(err, fs.ErrNotExist) {
		// Nobody of ours has it open, so it may be looked at: beside a foreign file no lock file is to be left.
		if err := checkHeader(real); errors.Is(err, ErrForeign) {
			return "", err
		}
	}
	return real, nil
}

// prepare makes the data file, or refuses one that is not fit, without changing it, or brings an older one up to
// date. It is called by the owner of the file.
func prepare(ctx context.Context, path string, log *slog.Logger) error {
	_, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err := create(ctx, path); err != nil {
			return err
		}
		log.Info("created a new data file", "file", path)
		return nil
	}
	if err != nil {
		return err
	}
	if err := checkHeader(path); err != nil {
		return err
	}
	have, err := inspect(ctx, path)
	if err != nil {
		return explain(err)
	}
	db := connect(path, walPragmas...)
	defer db.Close()
	p, err := migrator(db)
	if err != nil {
		return err
	}
	newest := newestVersion(p)
	switch {
	case have > newest:
		return fmt.Errorf("%w (schema %d, this one knows up to %d): start that version again, or put a backup of before in its place",
			ErrNewer, have, newest)
	case have < newest:
		log.Info("bringing the data file up to date", "file", path, "from", have, "to", newest)
		if _, err := p.Up(ctx); err != nil {
			return fmt.Errorf("cannot bring it from schema %d to %d: %w", have, newest, explain(err))
		}
	}
	return nil
}

// create builds the file under another name, so that a data file is either whole or not there.
func create(ctx context.Context, path string) (err error) {
	for _, rest := range []string{"-wal", "-journal"} {
		if _, err := os.Lstat(path + rest); err == nil {
			return fmt.Errorf("%w (there is %s, but no data file): put the data file back, or move that one away to begin anew",
				ErrCorrupt, path+rest)
		}
	}
	building := path + ".new"
	for _, rest := range []string{"", "-journal", "-wal", "-shm"} {
		if err := os.Remove(building + rest); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("cannot remove what an earlier start left: %w", err)
		}
	}
	f, err := os.OpenFile(building, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("cannot make it: %w", err)
	}
	if err := f.Close(); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			for _, rest := range []string{"", "-journal", "-wal", "-shm"} {
				_ = os.Remove(building + rest)
			}
		}
	}()
	// In WAL mode from the first: to change to it later needs a journal, which a kill would leave behind.
	db := connect(building, append([]string{fmt.Sprintf("application_id(%d)", applicationID)}, walPragmas...)...)
	db.SetMaxOpenConns(1)
	p, err := migrator(db)
	if err == nil {
		_, err = p.Up(ctx)
	}
	if err := errors.Join(err, db.Close()); err != nil {
		return fmt.Errorf("cannot make it: %w", explain(err))
	}
	if _, err := os.Lstat(building + "-wal"); err == nil {
		return errors.New("cannot make it: SQLite could not write its WAL back, or some other program looks into the file")
	}
	if err := os.Rename(building, path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func migrator(db *sql.DB) (*goose.Provider, error) {
	return goose.NewProvider(goose.DialectSQLite3, db, migrations(),
		goose.WithTableName(versions), goose.WithDisableGlobalRegistry(true), goose.WithSlog(slog.New(slog.DiscardHandler)))
}

func newestVersion(p *goose.Provider) int64 {
	all := p.ListSources()
	return all[len(all)-1].Version
}

// checkHeader looks at the first bytes before SQLite does, which would take an empty file for a new one.
func checkHeader(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0) // SQLite would be content to read, until the first write
	if err != nil {
		return fmt.Errorf("this process must be able to read and write it: %w", err)
	}
	defer f.Close()
	header := make([]byte, 100)
	n, err := io.ReadFull(f, header)
	switch {
	case n == 0 && errors.Is(err, io.EOF):
		return damaged("it is empty")
	case n < 16 || string(header[:16]) != "SQLite format 3\x00":
		return fmt.Errorf("%w, or its beginning is damaged: name another file, or put a backup in its place", ErrForeign)
	case err != nil:
		return damaged("it ends within its header")
	}
	if id := binary.BigEndian.Uint32(header[68:]); id != applicationID {
		return fmt.Errorf("%w (a SQLite file with application_id %#x): name another file", ErrForeign, id)
	}
	return checkSize(f, path, header)
}

// checkSize finds a file that was cut within its last page, which SQLite would fill up with zeros. While there
// is a WAL or a journal the file may rightly have another size; then SQLite looks.
func checkSize(f *os.File, path string, header []byte) error {
	for _, rest := range []string{"-wal", "-journal"} {
		if info, err := os.Stat(path + rest); err == nil && info.Size() > 0 {
			return nil
		}
	}
	info, err := f.Stat()
	if err != nil {
		return err
	}
	page, pages := int64(binary.BigEndian.Uint16(header[16:])), int64(binary.BigEndian.Uint32(header[28:]))
	if page == 1 {
		page = 65536 // which does not fit into the two bytes
	}
	if want := page * pages; info.Size() != want {
		return damaged(fmt.Sprintf("it has %d bytes and should have %d", info.Size(), want))
	}
	return nil
}

// inspect reads the whole file for damage, and returns the version of its schema. It changes nothing.
func inspect(ctx context.Context, path string) (version int64, err error) {
	mode := "mode=ro"
	if _, err := os.Lstat(path + "-journal"); err == nil {
		mode = "mode=rw" // another program was killed while it wrote: SQLite has to undo that before it can read
	}
	db := connect(path, mode, "query_only(1)", "busy_timeout(1000)", "cell_size_check(1)")
	defer db.Close()
	var found string
	if err := db.QueryRowContext(ctx, "PRAGMA quick_check(1)").Scan(&found); err != nil {
		return 0, err
	}
	if found != "ok" {
		return 0, damaged(found)
	}
	err = db.QueryRowContext(ctx, "SELECT version_id FROM "+versions+" WHERE is_applied ORDER BY version_id DESC LIMIT 1").Scan(&version)
	if err != nil {
		return 0, damaged("its schema is not ours: " + err.Error())
	}
	return version, nil
}
