package main

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/editlock/editlock/wire"
)

// howToMake is said whenever a key is missing or no good.
const howToMake = "Make one by `editlock key --out FILE`, or by `(umask 077; openssl rand -base64 48 > FILE)`"

type keyCmd struct {
	Out string `help:"File to make, which only its owner can read. Without it, the key is printed." placeholder:"FILE"`
}

func (keyCmd) Help() string {
	return "Makes a key: 48 random bytes in base64. Let it write a file by --out, and name that file to serve by --key-file or --signing-key-file."
}

func (c keyCmd) Run() error {
	b := make([]byte, 48)
	_, _ = rand.Read(b) // never fails
	text := base64.StdEncoding.EncodeToString(b) + "\n"
	if c.Out == "" {
		fmt.Print(text)
		return nil
	}
	f, err := os.OpenFile(c.Out, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("--out: there is a file %s already, and it may be a key that is in use: name another, or move that one away", c.Out)
	}
	if err != nil {
		return fmt.Errorf("--out: %w", err)
	}
	_, err = f.WriteString(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return errors.Join(fmt.Errorf("--out: %w", err), os.Remove(c.Out)) // half a key is none
	}
	return nil
}

// keySource is where a key comes from: a file, or else the environment. Never the command line, which every user of the
// machine can read.
type keySource struct {
	what string // "the access key"
	path string // of the file; empty: none was named
	flag string // that names the file
	env  string // the variable that holds the key itself
	id   string // the name by which tokens choose it; empty: there is no choice
}

func accessKey(path string) keySource {
	return keySource{what: "the access key", path: path, flag: "--key-file", env: "EDITLOCK_KEY"}
}

// accessKeys are where the access keys come from. Where there are several files, each is named like its own. Without a
// file the environment has to hold one, unless there are published ones.
func accessKeys(paths []string, published bool) (list []keySource) {
	for _, p := range paths {
		s := accessKey(p)
		if len(paths) > 1 {
			s.id = strings.TrimSuffix(filepath.Base(p), filepath.Ext(p))
		}
		list = append(list, s)
	}
	if s := accessKey(""); len(list) == 0 && (!published || os.Getenv(s.env) != "") {
		list = append(list, s)
	}
	return list
}

func signingKey(path string) keySource {
	return keySource{what: "the signing key", path: path, flag: "--signing-key-file", env: "EDITLOCK_SIGNING_KEY"}
}

// read returns the key, or says what is wrong with it and what to do.
func (s keySource) read() (*wire.Key, error) {
	text, where := []byte(os.Getenv(s.env)), s.env
	if s.path != "" {
		where = s.path
		var err error
		if text, err = os.ReadFile(s.path); err != nil {
			return nil, misused("%s: %w. %s", s.what, err, howToMake)
		}
	}
	text = bytes.TrimSpace(text)
	switch {
	case len(text) == 0 && s.path == "":
		return nil, misused("%s is missing. %s, and say %s FILE; or put the key itself into the environment as %s", s.what, howToMake, s.flag, s.env)
	case len(text) == 0:
		return nil, misused("%s in %s is empty. %s", s.what, where, howToMake)
	}
	key, err := wire.ParseKey(s.id, text)
	if err != nil {
		return nil, misused("%s in %s is no good: %s. %s", s.what, where, strings.TrimPrefix(err.Error(), "wire: "), howToMake)
	}
	return key, nil
}

// warnIfOpen says when the file of a key that can sign can be read by every user of the machine. A file for a group may be meant.
func (s keySource) warnIfOpen(key *wire.Key, log *slog.Logger) {
	if s.path == "" || !key.CanSign() || runtime.GOOS == "windows" {
		return
	}
	if info, err := os.Stat(s.path); err == nil && info.Mode().Perm()&0o004 != 0 {
		log.Warn("others can read the file of "+s.what+": whoever does can sign as you do; run chmod 600 on it, and make a new key if somebody may have read it",
			"file", s.path, "mode", info.Mode().Perm().String())
	}
}
