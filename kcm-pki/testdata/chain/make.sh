#!/bin/sh
# Makes the chain root -> intermediate -> leaf with OpenSSL 3.0, and what does not fit it.
set -eu
keys=$(mktemp -d)
new() { openssl ecparam -name prime256v1 -genkey -noout -out "$keys/$1.pem"; }
issue() { # NAME ISSUER DAYS EXTENSIONS
    new "$1"
    printf '%b' "$4" > "$keys/extensions"
    openssl req -new -key "$keys/$1.pem" -subj "/CN=$1" |
        openssl x509 -req -CA "$2.pem" -CAkey "$keys/$2.pem" -CAcreateserial -CAserial "$keys/serial" \
            -days "$3" -extfile "$keys/extensions" -out "$1.pem"
}
for name in root recreated; do
    new $name
    openssl req -x509 -new -key "$keys/$name.pem" -days 36500 -subj /CN=root -out $name.pem \
        -addext keyUsage=critical,keyCertSign,cRLSign
done
ca='basicConstraints=critical,CA:TRUE,pathlen:0\nkeyUsage=critical,keyCertSign,cRLSign\n'
leaf='basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\nsubjectAltName=DNS:leaf.example\n'
issue intermediate root 3650 "$ca"
issue leaf intermediate 36500 "${leaf}extendedKeyUsage=clientAuth,serverAuth\n"
issue server intermediate 36500 "${leaf}extendedKeyUsage=serverAuth\n"
issue below-pathlen intermediate 36500 "$ca"
issue too-deep below-pathlen 36500 "$leaf"
issue below-leaf leaf 36500 "$leaf"
rm -r "$keys"
