package cli

import (
	"crypto/ecdsa"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/ethereum/go-ethereum/accounts/keystore"
	"github.com/ethereum/go-ethereum/crypto"
)

// key reads the account's key. What is in the file never appears in an error.
func (c Config) key() (*ecdsa.PrivateKey, error) {
	if c.KeyFile == "" {
		return nil, errors.New("name the file with the account's key: --key-file")
	}
	data, err := os.ReadFile(c.KeyFile)
	if err != nil {
		return nil, fmt.Errorf("reading the account's key: %w", err)
	}
	text := strings.TrimSpace(string(data))
	if !strings.HasPrefix(text, "{") {
		key, err := crypto.HexToECDSA(strings.TrimPrefix(text, "0x"))
		if err != nil {
			return nil, fmt.Errorf("%s holds neither a keystore nor 64 hex digits", c.KeyFile)
		}
		return key, nil
	}
	password, err := secret(c.PasswordFile)
	if err != nil {
		return nil, fmt.Errorf("reading the keystore's password: %w", err)
	}
	opened, err := keystore.DecryptKey(data, password)
	if err != nil {
		return nil, fmt.Errorf("opening the keystore %s with --password-file: %w", c.KeyFile, err)
	}
	return opened.PrivateKey, nil
}
