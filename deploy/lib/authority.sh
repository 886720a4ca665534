# shellcheck shell=bash
# A certificate authority for the demo: nobody should trust it for anything else.

# Whether a certificate lasts another week.
lasts() {
    openssl x509 -in "$1" -noout -checkend $((7 * 86400)) >/dev/null 2>&1
}

# make_authority DIRECTORY: DIRECTORY/ca.pem and ca.key, unless they are there and last.
make_authority() {
    local directory=$1
    if lasts "$directory/ca.pem" && [[ -f $directory/ca.key ]]; then return 0; fi
    rm -f "$directory"/tls/*.pem
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -days 365 -config /dev/stdin \
        -keyout "$directory/ca.key" -out "$directory/ca.pem" 2>/dev/null <<'END' ||
[req]
distinguished_name = name
x509_extensions = authority
prompt = no
[name]
CN = Sallyport demo CA
[authority]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
END
        fail "openssl could not make the demo's certificate authority in $directory"
}

# issue DIRECTORY NAME: DIRECTORY/tls/NAME.pem and NAME.key for localhost, unless they are there and last.
issue() {
    local base=$1/tls/$2
    if lasts "$base.pem" && [[ -f $base.key ]]; then return 0; fi
    openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -subj "/CN=$2" -keyout "$base.key" \
        -out "$base.csr" 2>/dev/null || fail "openssl could not make a key in $base.key"
    openssl x509 -req -in "$base.csr" -CA "$1/ca.pem" -CAkey "$1/ca.key" -days 365 -extfile /dev/stdin \
        -set_serial "0x$(openssl rand -hex 8)" -out "$base.pem" 2>/dev/null <<'END' ||
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = serverAuth
subjectAltName = DNS:localhost,IP:127.0.0.1,IP:::1
END
        fail "openssl could not make a certificate in $base.pem"
    rm -f "$base.csr"
}
