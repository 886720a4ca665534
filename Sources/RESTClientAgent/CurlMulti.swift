import CCurl

/// The requests of one endpoint that are under way, and the connections that are kept for the next ones. One thread uses it;
/// only `wake` is for any.
///
/// Owns the `CURLM`. A request that was added holds it, so that it outlives them.
@safe final class CurlMulti: Sendable {
    private nonisolated(unsafe) let handle: UnsafeMutableRawPointer

    /// libcurl wants to be initialised before anything else, once.
    private static let library: CURLcode = curl_global_init(Int(CURL_GLOBAL_DEFAULT))

    init(connections: Int) throws(EndpointFailure) {
        guard CurlMulti.library == CURLE_OK, let handle = unsafe curl_multi_init() else {
            throw EndpointFailure(.network, "the HTTP library cannot be initialised")
        }
        unsafe self.handle = handle
        for option in [CURLMOPT_MAXCONNECTS, CURLMOPT_MAX_HOST_CONNECTIONS, CURLMOPT_MAX_TOTAL_CONNECTIONS] {
            unsafe sallyport_curl_multi_set_number(handle, option, connections)
        }
    }

    deinit {
        unsafe curl_multi_cleanup(handle)
    }

    /// Ends `wait`, or the next one at once.
    func wake() {
        unsafe curl_multi_wakeup(handle)
    }

    func add(_ transfer: CurlTransfer) throws(EndpointFailure) {
        try check(unsafe curl_multi_add_handle(handle, transfer.handle), "beginning a request")
    }

    func remove(_ transfer: CurlTransfer) {
        unsafe curl_multi_remove_handle(handle, transfer.handle)
    }

    /// Does what can be done without waiting.
    func perform() throws(EndpointFailure) {
        var running: Int32 = 0
        try check(unsafe curl_multi_perform(handle, &running), "going on with a request")
    }

    /// Waits until a socket, a timer of the library's or `wake` has something, at most so many milliseconds.
    func wait(milliseconds: Int32) throws(EndpointFailure) {
        var ready: Int32 = 0
        try check(unsafe curl_multi_poll(handle, nil, 0, milliseconds, &ready), "waiting for an answer")
    }

    /// The next request that has ended, which is removed.
    ///
    /// - Parameter transfers: all that were added.
    func takeEnded(of transfers: [CurlTransfer]) -> (transfer: CurlTransfer, code: CURLcode)? {
        var left: Int32 = 0
        while let message = unsafe curl_multi_info_read(handle, &left) {
            let ended = unsafe message.pointee.easy_handle
            guard unsafe message.pointee.msg == CURLMSG_DONE,
                let transfer = transfers.first(where: { unsafe $0.handle == ended })
            else { continue }
            // Before the handle is removed, which ends the message's life.
            let code = unsafe sallyport_curl_result(message)
            remove(transfer)
            return (transfer, code)
        }
        return nil
    }

    private func check(_ code: CURLMcode, _ doing: String) throws(EndpointFailure) {
        guard code != CURLM_OK else { return }
        throw EndpointFailure(.network, "\(doing): \(unsafe String(cString: curl_multi_strerror(code)))")
    }
}
