import COpenSSL

/// Bytes in memory as OpenSSL reads and writes them.
@safe final class MemoryBIO {
    let pointer: OpaquePointer

    /// Empty, to be written into.
    init?() {
        guard let made = unsafe BIO_new(BIO_s_mem()) else { return nil }
        unsafe pointer = made
    }

    /// Holds a copy of the bytes.
    init(reading bytes: [UInt8]) throws(TLSError) {
        guard let made = unsafe BIO_new(BIO_s_mem()) else {
            throw TLSError(.library, reason: "OpenSSL: \(OpenSSLErrors.take())")
        }
        unsafe pointer = made
        let written = unsafe bytes.withUnsafeBytes { buffer in
            unsafe BIO_write(made, buffer.baseAddress, Int32(clamping: buffer.count))
        }
        guard written == bytes.count || bytes.isEmpty else {
            throw TLSError(.library, reason: "OpenSSL: \(OpenSSLErrors.take())")
        }
    }

    deinit {
        unsafe BIO_free(pointer)
    }

    var contents: [UInt8] {
        var start: UnsafeMutablePointer<CChar>?
        let count = unsafe sallyport_memory_contents(pointer, &start)
        guard count > 0, let start = unsafe start else { return [] }
        return unsafe Array(UnsafeRawBufferPointer(start: start, count: count))
    }
}
