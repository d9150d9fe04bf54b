# A record, as Active Record's are: known by its id.
Invoice = Struct.new(:id) do
  include GlobalID::Identification

  def self.find(id)
    new(id)
  end
end

# No job can have it among its arguments.
Draft = Struct.new(:text)

class InvoiceMailer < ActionMailer::Base
  default from: "billing@shop.example"

  def overdue(to, invoice, fields = {})
    mail to: to, subject: "Your invoice is overdue", body: "Invoice #{invoice.id}", **fields
  end

  def paid(to, number:)
    mail to: to, subject: "Your invoice is paid", body: "Invoice #{number}"
  end

  def reminder
    mail to: params[:to], subject: "A reminder", body: "Invoice #{params[:invoice].id}"
  end

  def notice(to, *_arguments, **_keywords)
    mail to: to, subject: "A notice", body: "A notice"
  end

  def thanks(to, fields = {})
    mail to: to, subject: "Thank you", body: "Thank you", **fields
  end

  def draft(to, draft, _more = nil)
    mail to: to, subject: "A draft", body: draft.text
  end
end

# What an application stores of each mail that it sent.
class Archive
  MAILS = []

  def self.delivered_email(mail)
    MAILS << mail.encoded
  end
end
ActionMailer::Base.register_observer(Archive)
