import COpenSSL

/// OpenSSL's queue of errors of this thread.
enum OpenSSLErrors {
    /// Empties the queue and gives the reason of its first entry.
    static func take() -> String {
        var reason: String?
        while true {
            let code = ERR_get_error()
            guard code != 0 else { break }
            if reason == nil, let text = unsafe ERR_reason_error_string(code) {
                reason = unsafe String(cString: text)
            }
        }
        return reason ?? "OpenSSL gave no reason"
    }

    /// The reason code of the newest entry; the queue is emptied.
    static func takeLastReason() -> Int32 {
        let code = ERR_peek_last_error()
        ERR_clear_error()
        return ERR_GET_REASON(code)
    }
}
