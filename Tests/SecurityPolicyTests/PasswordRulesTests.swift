import Testing

@testable import SecurityPolicy

@Suite(.timeLimit(.minutes(1)))
struct PasswordRulesTests {
    private func refusal(_ password: String, user: String = "ada") -> SecurityPolicyError? {
        do throws(SecurityPolicyError) {
            try PasswordRules.check(password, user: user, minimumLength: 14)
            return nil
        } catch {
            return error
        }
    }

    @Test func everyLineOfTheListIsFoundAndNothingBesides() {
        let lines = CommonPasswords.list.withUTF8Buffer { $0.split(separator: 0x0A).map { Array($0) } }
        #expect(lines.count == 30_029)
        for line in lines {
            let scalars = line.map { Unicode.Scalar($0) }
            #expect(scalars.count <= CommonPasswords.longest)
            #expect(CommonPasswords.contains(scalars), "\(String(decoding: line, as: UTF8.self))")
        }
        let strangers = ["", "passworq", "passwordd", "\n", "password\npassword1", "zzzzzzzzzzzzzzz", "!", "pässword"]
        for text in strangers { #expect(!CommonPasswords.contains(text.unicodeScalars), "\(text.debugDescription)") }
    }

    @Test(arguments: [
        // As listed
        "1qaz2wsx3edc4rfv", "michaeljackson", "MichaelJackson", "ＭｉｃｈａｅｌＪａｃｋｓｏｎ",
        // With digits and signs around
        "Password123456", "password!!!!!!!", "2024-Dragon-2024", "qwertyuiop12345", "Administrator1", "trustno1......",
        "sallyport 2026", "P@ssw0rd123456", "............siemens",
        // Over and over
        "passwordpassword", "Password1Password1", "dragon!dragon!dragon!", "12345678901234", "password12passwo",
        "98765432109876", "letmeinletmeinletmein", "password-password-password", "!!passwordpassword!!",
        "correcthorsebatterystaple",
    ])
    func commonOnesAreRefused(password: String) { #expect(refusal(password) == .passwordIsCommon) }

    @Test(arguments: [
        "correct horse battery staple", "another good password here", "plenty of words for the boss",
        "passwordqwertydragon", "monkey plays football", "8$kQz!v02_mXw9", "fourteen chars", "ça va très bien merci",
        "пароль для насосной станции", "密码密码密码 水泵 一号 车间 长长长", "73920461857302", "my password is long",
    ])
    func goodOnesAreTaken(password: String) { #expect(refusal(password) == nil) }

    @Test func lengthIsCountedAfterNormalising() {
        #expect(refusal("ﬁﬁﬁﬁﬁ kümmel") == nil)
        #expect(refusal("e\u{301}e\u{301}e\u{301}e\u{301}e\u{301}e\u{301}e\u{301}") == .passwordTooShort(minimum: 14))
        #expect(refusal(String(repeating: "ab cd ", count: 171)) == .passwordTooLong)
    }

    /// Another way to write the name, in letters of full width or another composition, hides it no more.
    @Test func nameIsFoundInEveryForm() {
        #expect(refusal("the ｌｏｖｅｌａｃｅ engine", user: "lovelace") == .passwordContainsUserName)
        #expect(refusal("das schöne J\u{FC}rgen lied", user: "J\u{FC}rgen") == .passwordContainsUserName)
        #expect(refusal("das schöne Ju\u{308}rgen lied", user: "j\u{FC}rgen") == .passwordContainsUserName)
        #expect(refusal("the word engine", user: "ｗｏｒｄ") == .passwordContainsUserName)
    }

    @Test func oddTextsEndNothing() {
        for text in [
            "", "\0", String(repeating: "1234", count: 256), String(repeating: "!", count: 1024), "\u{FEFF}\u{200B}",
            String(repeating: "a1b!", count: 256), String(repeating: "\u{301}", count: 400),
        ] {
            _ = refusal(text)
            _ = PasswordRules.isCommon(Array(text.unicodeScalars))
        }
    }
}
